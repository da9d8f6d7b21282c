"""The whole platform by the real engine on a real cluster: up, events through it, drift, destroy.

The provider is the stand-in, or with PULUMI_KUBERNETES_PROVIDER=... the real one.
"""

from __future__ import annotations

import json
import os
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.request import urlopen

import pytest
from lightkube.generic_resource import get_generic_resource

from doublegate.local.errors import LocalStackError
from tests.cluster import manifests as m
from tests.cluster.access import PUBLIC
from tests.cluster.consumers import IN_PODS, FarSide
from tests.cluster.pulumi.engine import Engine
from tests.helpers import eventually
from tests.unit.infra.stacks import configuration
from tools import builds

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.cluster.access import Cluster
    from tests.cluster.namespace import Namespace

pytestmark = pytest.mark.timeout(900)

GOOD = [f"e-{number}" for number in range(240)]
BAD = [f"bad-{number}" for number in range(5)]
SECONDS = 180.0
CALL_SECONDS = 10
TOPIC, CONSUMER, JAEGER = "mails", "mails", 16686


@pytest.fixture
def home(cluster: Cluster, new_namespace: Callable[..., Namespace]) -> Namespace:
    """The stack's namespace; it is there before the stack, so that its end is sure and a failure shows it."""
    if get_generic_resource("keda.sh/v1alpha1", "ScaledObject") is None:
        pytest.skip("this cluster has no KEDA")
    try:
        builds.provide(builds.PULUMI, print)
    except LocalStackError as error:
        pytest.skip(f"Pulumi's engine can't be had here: {error}")
    if missing := {"kafka", "valkey", "registry", "jaeger", "postgres", "operator"} - set(cluster.images):
        pytest.skip(f"no images of {', '.join(sorted(missing))}")
    return new_namespace()


@pytest.fixture(params=["plain", "secure"])
def secure(request: pytest.FixtureRequest) -> bool:
    """Whether Kafka speaks TLS and knows a user for each consumer, and other parts are as in production."""
    return str(request.param) == "secure"


@pytest.fixture
def engine(home: Namespace, tmp_path: Path, secure: bool) -> Iterator[Engine]:
    with pytest.MonkeyPatch.context() as patch:  # the program calls kubectl to explain a consumer
        patch.setenv("PATH", f"{Path(home.cluster.kubectl).parent}{os.pathsep}{os.environ['PATH']}")
        yield Engine(tmp_path, home.cluster.kubeconfig, values(home, secure))


def values(home: Namespace, secure: bool) -> dict[str, Any]:
    """The stack `dev` with the cluster's images and no consumers; no volumes, which not every cluster has."""
    given = configuration("dev")
    del given["secrets"]
    for section in (given["kafka"]["standalone"], given["ledger"]["standalone"], given["postgres"]):
        section.pop("storage")
    if secure:
        given["kafka"]["standalone"]["secure"] = True
        given["registry"]["apicurio"]["storage"] = "PostgreSql"
        # The ledger's image that is built here can't speak TLS: its server is PyPI's.
        public = home.cluster.images["valkey"] == PUBLIC["valkey"]
        given["ledger"]["standalone"] |= {"secure": public, "replica": True}
    images = {name: image for name, image in home.cluster.images.items() if name in given["images"]}
    return {**given, "namespace": home.name, "images": images, "keda": {"existing": {}}, "consumers": []}


def consumer(far_side: str) -> dict[str, Any]:
    """A pod manages about six events a second, and two are wanted for more than a minute's lag."""
    spec = {
        "handler": {"python": "handlers:mail_slowly_but_bad", "timeout": "20s"},
        "kafka": {"topic": TOPIC, "group": CONSUMER, "partitions": 4},
        "schema": {},
        "inbox": {},
        "flow": {"maxInFlight": 20, "concurrency": {"min": 2, "max": 2}},
        "scaling": {"minReplicas": 1, "maxReplicas": 2, "targetDrain": "10s", "initialRate": 6},
        "filter": {"expectedRate": 1000, "window": "1m"},
        "telemetry": {"sampleRatio": 1},
        "pod": {
            "env": [{"name": "FAR_SIDE", "value": far_side}, {"name": "BAD", "value": "bad-"}],
            "resources": {"requests": {"cpu": "100m", "memory": "320Mi"}, "limits": {"memory": "320Mi"}},
            "volumes": [{"name": "code", "configMap": {"name": "handlers"}}],
            "volumeMounts": [{"name": "code", "mountPath": "/app"}],
        },
    }
    return {"name": CONSUMER, "spec": spec}


def test_a_platform_lives(
    engine: Engine, home: Namespace, new_namespace: Callable[..., Namespace], secure: bool
) -> None:
    engine.up()
    far_side = FarSide(new_namespace())
    home.apply(m.config_map("handlers", {"handlers.py": (IN_PODS / "handlers.py").read_text()}))
    engine.configure({"consumers": [consumer(far_side.anywhere)]})
    engine.up()  # until the consumer is Ready
    assert set(engine.up()) == {"same"}
    outputs = {name: output.value for name, output in engine.stack.outputs().items()}

    # Each event once, although all are sent twice; for so many there are two pods; what is bad is kept apart.
    def status() -> dict[str, Any]:
        return dict(json.loads(home.kubectl("get", "idc", CONSUMER, "--output=json"))["status"])

    pods = [status()["replicas"]]
    send(home, outputs, [*GOOD, *BAD], secure)

    def drained() -> bool:
        now = status()
        pods.append(now["replicas"])
        return len(far_side.performed()) == len(GOOD) and now["dlqOpen"] == len(BAD) and now["lag"] == 0

    eventually(drained, SECONDS, 0.5)
    assert far_side.performed() == dict.fromkeys(GOOD, 1)
    assert (pods[0], max(pods)) == (1, 2)

    # The life of an event, and of one that failed, is in the stack's Jaeger.
    forward = home.forward("svc/jaeger", JAEGER)
    for event_id, decision in ((GOOD[-1], "done"), (BAD[-1], "dead_letter")):
        decisions = eventually(partial(decided, forward.url, event_id), SECONDS)
        assert decision in decisions, event_id

    # What somebody changed by hand is found and put right; the brokers stay, and what they keep.
    broker = home.kubectl("get", "pod", "kafka-0", "--output=jsonpath={.metadata.uid}")
    home.kubectl("scale", "statefulset/jaeger", "--replicas=0")
    assert engine.refresh().get("update", 0) >= 1
    assert engine.up().get("update", 0) >= 1
    home.kubectl("rollout", "status", "statefulset/jaeger", "--timeout=120s")
    assert home.kubectl("get", "pod", "kafka-0", "--output=jsonpath={.metadata.uid}") == broker

    # No password is in the state as it is kept, and nothing is left.
    passwords = json.loads(engine.values["secrets"])["passwords"].values()
    kept = "".join(path.read_text() for path in engine.state.rglob("*.json"))
    assert "mails-ledger" in kept
    assert not [password for password in passwords if password in kept]
    engine.destroy()
    assert not home.cluster.run("get", "namespace", home.name, "--ignore-not-found")


def send(home: Namespace, outputs: dict[str, Any], ids: list[str], secure: bool) -> None:
    """With `doublegate.Producer`, from a pod: the brokers' names are the cluster's."""
    login = [{"name": "login", "secret": {"secretName": f"{CONSUMER}-kafka"}}] if secure else []
    script = {"send.py": (IN_PODS / "send.py").read_text()}
    env = {
        "BOOTSTRAP_SERVERS": outputs["bootstrapServers"],
        "OTLP": outputs["otlpEndpoint"],
        "REGISTRY": outputs["registryUrl"],
        "TOPIC": TOPIC,
        "IDS": " ".join(ids),
    }
    one = m.container(
        "sender",
        home.cluster.images["consumer"],
        memory="128Mi",
        command=["python3", "/app/send.py"],
        env=env,
        volumes={"code": "/app"} | ({"login": "/etc/login"} if secure else {}),
    )
    pod = {
        "restartPolicy": "Never",
        "automountServiceAccountToken": False,
        "containers": [one],
        "volumes": [{"name": "code", "configMap": {"name": "sender"}}, *login],
    }
    job = {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": "sender"},
        "spec": {"backoffLimit": 0, "template": {"spec": pod}},
    }
    home.apply(m.config_map("sender", script), job)
    home.kubectl("wait", "--for=condition=Complete", "job/sender", "--timeout=55s")


def decided(jaeger: str, event_id: str) -> set[str]:
    """What consumers decided on an event, from the traces that the sender began."""
    with urlopen(f"{jaeger}/api/traces?service=shop&limit=1000&lookback=1h", timeout=CALL_SECONDS) as answer:
        traces = json.load(answer)["data"]
    told = [[_tags(span) for span in trace["spans"]] for trace in traces]
    of_event = [spans for spans in told if any(event_id in tags.values() for tags in spans)]
    return {
        str(tags["doublegate.decision"])
        for spans in of_event
        for tags in spans
        if "doublegate.decision" in tags
    }


def _tags(span: dict[str, Any]) -> dict[str, Any]:
    return {tag["key"]: tag["value"] for tag in span["tags"]}
