"""The whole platform by the real engine on a real cluster: up, events through it, drift, destroy.

The provider is the stand-in, or with PULUMI_KUBERNETES_PROVIDER=... the real one.
"""

from __future__ import annotations

import json
import os
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from infra.addresses import JAEGER
from tests.cluster.consumers import FarSide
from tests.cluster.pulumi.engine import Engine
from tests.cluster.pulumi.stacks import (
    BAD,
    GOOD,
    consumer,
    decided,
    handlers,
    send,
    status,
    values,
)
from tests.helpers import eventually

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.cluster.namespace import Namespace

pytestmark = pytest.mark.timeout(900)

SECONDS = 180.0


@pytest.fixture(params=["plain", "secure"])
def secure(request: pytest.FixtureRequest) -> bool:
    """Whether Kafka speaks TLS and knows a user for each consumer, and other parts are as in production."""
    return str(request.param) == "secure"


@pytest.fixture
def engine(home: Namespace, tmp_path: Path, secure: bool) -> Iterator[Engine]:
    with pytest.MonkeyPatch.context() as patch:  # the program calls kubectl to explain a consumer
        patch.setenv("PATH", f"{Path(home.cluster.kubectl).parent}{os.pathsep}{os.environ['PATH']}")
        yield Engine(tmp_path, home.cluster.kubeconfig, values(home, secure))


def test_a_platform_lives(
    engine: Engine, home: Namespace, new_namespace: Callable[..., Namespace], secure: bool
) -> None:
    engine.up()
    far_side = FarSide(new_namespace())
    home.apply(handlers())
    engine.configure({"consumers": [consumer(far_side.anywhere)]})
    engine.up()  # until the consumer is Ready
    assert set(engine.up()) == {"same"}
    outputs = {name: output.value for name, output in engine.stack.outputs().items()}

    # Each event once, although all are sent twice; for so many there are two pods; what is bad is kept apart.
    pods = [status(home)["replicas"]]
    send(home, outputs, [*GOOD, *BAD], secure)

    def drained() -> bool:
        now = status(home)
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
