"""The real engine and the real program on a real API server; nodes are pretended, and so is the provider.

With PULUMI_KUBERNETES_PROVIDER=... it is the real provider.
"""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

import pytest
from pulumi.automation import CommandError, ConfigValue

from doublegate.local.errors import LocalStackError
from tests.cluster.pulumi.engine import Engine
from tests.operator.api_server import ApiServer
from tests.operator.pretence import Pretence
from tests.unit.infra.stacks import configuration
from tools import builds

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.timeout(1800)

NAMESPACE = "platform"
CONSUMER = {
    "name": "payments",
    "readySeconds": 60,
    "spec": {
        "handler": {"http": {"url": "http://api:8080/charge"}},
        "kafka": {"topic": "payments", "group": "payments"},
    },
}


def values() -> dict[str, Any]:
    given = configuration("dev")
    del given["secrets"]
    for section in (given["kafka"]["standalone"], given["ledger"]["standalone"], given["postgres"]):
        section.pop("storage")
    return {**given, "namespace": NAMESPACE, "keda": {"existing": {}}, "consumers": [CONSUMER]}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiServer]:
    try:
        for build in (builds.ETCD, builds.KUBERNETES, builds.PULUMI):
            builds.provide(build, print)
    except LocalStackError as error:
        pytest.skip(f"Pulumi's engine can't be had here: {error}")
    with ApiServer(tmp_path_factory.mktemp("pulumi-api") / "server") as running:
        yield running


@pytest.fixture(scope="module")
def pretence(server: ApiServer) -> Iterator[Pretence]:
    with Pretence(server, NAMESPACE) as running:
        yield running


@pytest.fixture(scope="module")
def engine(server: ApiServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    with pytest.MonkeyPatch.context() as patch:
        programs = builds.KUBERNETES.program("kubectl").parent
        patch.setenv("PATH", f"{programs}{os.pathsep}{os.environ['PATH']}")
        yield Engine(tmp_path_factory.mktemp("pulumi"), server.kubeconfig, values())


def test_a_stack_lives(engine: Engine, server: ApiServer, pretence: Pretence) -> None:
    def get(what: str) -> Any:
        return json.loads(server.kubectl("get", f"--namespace={NAMESPACE}", what, "--output=json"))

    # A wrong value fails the preview, and nothing is there.
    engine.stack.set_config("doublegate:production", ConfigValue("perhaps"))
    with pytest.raises(CommandError, match="doublegate:production: given 'perhaps'; allowed: true or false"):
        engine.preview()
    engine.configure({})
    assert "platform" not in server.kubectl("get", "namespaces")

    planned = engine.preview()
    assert set(planned) == {"create"}
    assert "platform" not in server.kubectl("get", "namespaces")

    # It does not come to life: `up` fails, and the next one goes on.
    pretence.ready = False
    engine.configure({"consumers": [{**CONSUMER, "readySeconds": 10}]})
    with pytest.raises(CommandError, match="no broker answers"):
        engine.up()
    pretence.ready = True
    engine.configure({"consumers": [CONSUMER]})
    engine.up()

    # What is there is what was asked for.
    assert (
        get("idempotentconsumer/payments")["spec"]["kafka"]["bootstrapServers"] == "kafka.platform.svc:9092"
    )
    assert set(get("secret/payments-ledger")["data"]) == {"username", "password"}
    outputs = {name: output.value for name, output in engine.stack.outputs().items()}
    assert outputs["bootstrapServers"] == "kafka.platform.svc:9092"
    assert outputs["portForward"]["jaeger"] == "kubectl --namespace platform port-forward svc/jaeger 16686"

    # A second one changes nothing.
    assert set(engine.up()) == {"same"}

    # A changed value changes what it must, and replaces nothing.
    kafka = get("statefulset/kafka")["metadata"]["uid"]
    engine.configure({"kafka": {"standalone": {"brokers": 1, "memory": "2Gi", "secure": False}}})
    changes = engine.up()
    assert (changes.pop("update"), set(changes)) == (1, {"same"})
    assert get("statefulset/kafka")["metadata"]["uid"] == kafka

    # What somebody else changed is found and put right.
    patch = json.dumps({"data": {"valkey.conf": "maxmemory-policy allkeys-lru"}})
    server.kubectl("patch", f"--namespace={NAMESPACE}", "configmap/valkey", f"--patch={patch}")
    assert engine.refresh().get("update", 0) >= 1
    assert engine.up()["update"] == 1
    assert "noeviction" in get("configmap/valkey")["data"]["valkey.conf"]

    # No secret is in the state as it is kept.
    password = json.loads(engine.values["secrets"])["passwords"]["ledger-payments"]
    kept = [path.read_text() for path in engine.state.rglob("*.json")]
    assert any("payments-ledger" in text for text in kept)
    assert not any(password in text for text in kept)

    engine.destroy()
    assert "platform" not in server.kubectl("get", "namespaces")
    assert "doublegate" not in server.kubectl("get", "crds")
