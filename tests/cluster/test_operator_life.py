"""The life of an IdempotentConsumer: apply, events, drift, change, dead letters and replay, pause, delete."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from lightkube.resources.core_v1 import Pod

from tests.cluster.consumers import FarSide
from tests.cluster.operated import Operated, install_crds, install_operator
from tests.helpers import eventually

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.cluster.namespace import Namespace
    from tests.cluster.platform import Platform

pytestmark = pytest.mark.timeout(600)

EVENTS = 200
SECONDS = 120.0


@pytest.fixture
def operated(namespace: Namespace) -> Namespace:
    """A namespace with an operator."""
    install_crds(namespace)
    install_operator(namespace)
    return namespace


def test_from_apply_to_delete(operated: Namespace, platform: Platform, tmp_path: Path) -> None:
    far_side = FarSide(operated)
    env = {"FAR_SIDE": far_side.inside, "BAD": "bad-"}
    consumer = Operated(operated, platform, tmp_path, handler="mail_but_bad", env=env, name="payments")
    consumer.wait()
    group = consumer.group
    listed = operated.kubectl("get", "idc")
    assert [line.split()[:3] for line in listed.splitlines()[1:]] == [["payments", group.topic, group.name]]

    # Each event once, although all of them are sent twice.
    good = [f"e-{number}" for number in range(EVENTS)]
    bad = [f"bad-{number}" for number in range(10)]
    for _ in range(2):
        for event_id in (*good, *bad):
            group.send(event_id, key=event_id.encode())
        group.flush()
    eventually(
        lambda: consumer.status.get("lag") == 0 and consumer.status.get("dlqOpen") == len(bad), SECONDS
    )
    assert far_side.performed() == dict.fromkeys(good, 1)

    # What somebody deleted or changed by hand comes back.
    before = _uid(operated, "networkpolicy", "payments")
    operated.kubectl("delete", "networkpolicy", "payments")
    operated.kubectl("set", "env", "deployment/payments", "FAR_SIDE=http://nowhere:1")
    eventually(lambda: _uid(operated, "networkpolicy", "payments") not in ("", before), SECONDS)
    eventually(lambda: _env(operated, "payments")["FAR_SIDE"] == far_side.inside, SECONDS)
    consumer.wait()

    # A change rolls the pods; the repaired handler gets what had failed, once, from a Job.
    before = consumer.status["configHash"]
    repaired = [{"name": "FAR_SIDE", "value": far_side.inside}, {"name": "BAD", "value": "none"}]
    consumer.apply(pod={"env": repaired}, retries={"attempts": 2})
    consumer.wait()
    assert consumer.status["configHash"] != before
    assert _replay(operated, "first", "payments")["done"] == len(bad)
    assert far_side.performed() == dict.fromkeys((*good, *bad), 1)
    assert _replay(operated, "again", "payments")["done"] == len(bad)  # proven, not performed
    assert far_side.performed() == dict.fromkeys((*good, *bad), 1)

    # A paused consumer stays in its group and works on nothing.
    consumer.apply(paused=True)
    consumer.wait("Paused")
    consumer.wait()
    group.send("later", key=b"later")
    group.flush()
    eventually(lambda: consumer.status.get("lag") == 1, SECONDS)
    assert "later" not in far_side.performed()
    consumer.apply(paused=False)
    eventually(lambda: far_side.performed().get("later") == 1, SECONDS)

    # Nothing holds a deletion up; topics and ledger stay.
    operated.kubectl("delete", "idc", "payments", "--timeout=60s")
    eventually(lambda: not consumer.owned() and not consumer.pods(), SECONDS)
    assert {group.topic, group.dlq, group.replay} <= set(group.admin.list_topics(timeout=10).topics)


def test_a_namespace_ends_with_all_that_is_in_it(
    new_namespace: Callable[..., Namespace], platform: Platform, tmp_path: Path
) -> None:
    doomed = new_namespace()
    install_crds(doomed)
    install_operator(doomed)
    consumer = Operated(doomed, platform, tmp_path, handler="mail", env={"FAR_SIDE": "http://nowhere:1"})
    consumer.wait()
    doomed.cluster.run("delete", "namespace", doomed.name, "--timeout=90s", seconds=100)


def test_a_killed_leader_is_replaced(operated: Namespace, platform: Platform, tmp_path: Path) -> None:
    install_operator(operated, replicas=2)
    consumer = Operated(operated, platform, tmp_path, handler="mail", env={"FAR_SIDE": "http://nowhere:1"})
    consumer.wait()
    leader = _leader(operated)
    operated.kubectl("delete", "pod", leader, "--grace-period=0", "--force")
    operated.kubectl("delete", "service", consumer.name)
    eventually(lambda: f"service/{consumer.name}" in consumer.owned(), SECONDS)
    assert _leader(operated) != leader


def _leader(namespace: Namespace) -> str:
    leases = json.loads(namespace.kubectl("get", "leases", "--output=json"))["items"]
    [holder] = [str(lease["spec"]["holderIdentity"]) for lease in leases]
    return next(
        str(pod.metadata.name)
        for pod in namespace.cluster.client.list(Pod, namespace=namespace.name)
        if holder.startswith(str(pod.metadata.name))
    )


def _uid(namespace: Namespace, kind: str, name: str) -> str:
    """Empty when there is none."""
    return namespace.kubectl("get", kind, name, "--ignore-not-found", "--output=jsonpath={.metadata.uid}")


def _env(namespace: Namespace, name: str) -> dict[str, str]:
    found = json.loads(namespace.kubectl("get", "deployment", name, "--output=json"))
    [container] = found["spec"]["template"]["spec"]["containers"]
    return {one["name"]: one.get("value", "") for one in container["env"]}


def _replay(namespace: Namespace, name: str, consumer: str) -> dict[str, Any]:
    """Replay all dead letters; the status at its end."""
    resource = {
        "apiVersion": "doublegate.dev/v1alpha1",
        "kind": "DeadLetterReplay",
        "metadata": {"name": name},
        "spec": {"consumerRef": {"name": consumer}},
    }
    namespace.kubectl("apply", "--filename=-", stdin=json.dumps(resource))

    def ended() -> dict[str, Any]:
        found = json.loads(namespace.kubectl("get", "dlr", name, "--output=json")).get("status", {})
        return found if found.get("phase") in {"Complete", "Failed"} else {}

    status = eventually(ended, SECONDS, 0.5)
    assert status["phase"] == "Complete", status
    return status
