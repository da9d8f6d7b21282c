"""The stacks that tests bring up in a cluster, what is sent through them, and where it is seen."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any
from urllib.request import urlopen

from tests.cluster import manifests as m
from tests.cluster.access import PUBLIC
from tests.cluster.consumers import IN_PODS, handlers_code
from tests.unit.infra.stacks import configuration

if TYPE_CHECKING:
    from tests.cluster.namespace import Namespace

GOOD = [f"e-{number}" for number in range(240)]
BAD = [f"bad-{number}" for number in range(5)]
TOPIC, CONSUMER = "mails", "mails"
SERVERS = frozenset({"kafka", "valkey", "registry", "jaeger", "postgres", "operator"})
_CALL_SECONDS = 10


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


def handlers() -> m.Object:
    """The code that the consumer mounts."""
    return m.config_map("handlers", handlers_code())


def status(home: Namespace) -> dict[str, Any]:
    """What the operator says of the consumer."""
    return dict(json.loads(home.kubectl("get", "idc", CONSUMER, "--output=json"))["status"])


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
    volumes = [{"name": "code", "configMap": {"name": "sender"}}, *login]
    home.apply(m.config_map("sender", script), m.job("sender", one, volumes))
    home.kubectl("wait", "--for=condition=Complete", "job/sender", "--timeout=55s")


def decided(jaeger: str, event_id: str) -> set[str]:
    """What consumers decided on an event, from the traces that the sender began."""
    with urlopen(f"{jaeger}/api/traces?service=shop&limit=1000&lookback=1h", timeout=_CALL_SECONDS) as answer:
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
