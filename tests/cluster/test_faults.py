"""What happens to a consumer's pods loses nothing, and performs nothing twice that is not named."""

from __future__ import annotations

import threading
from collections import Counter
from typing import TYPE_CHECKING, Self

import pytest

from tests.cluster.consumers import FarSide, Killer, PodConsumer
from tests.helpers import eventually

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.cluster.namespace import Namespace
    from tests.cluster.platform import Platform
    from tests.consumers import Group

pytestmark = pytest.mark.timeout(420)

DONE_SECONDS = 120.0
RATE = 40.0


class Load:
    """Sends events at a steady rate until it is told to stop."""

    def __init__(self, group: Group) -> None:
        self._group = group
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._send, name="load", daemon=True)
        self.ids: list[str] = []

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(30)
        self._group.flush()

    def _send(self) -> None:
        while not self._stop.wait(1 / RATE):
            self.ids.append(f"e-{len(self.ids)}")
            self._group.send(self.ids[-1], key=b"k%d" % (len(self.ids) % 50))


def test_a_rolling_update_under_load_performs_nothing_twice(
    namespace: Namespace, platform: Platform, tmp_path: Path
) -> None:
    far_side = FarSide(namespace)
    consumer = PodConsumer(
        namespace, platform, tmp_path, handler="mail_slowly", env={"FAR_SIDE": far_side.inside}, replicas=3
    )
    before = {pod.metadata.name for pod in consumer.wait_ready()}
    with Load(consumer.group) as load:
        eventually(lambda: len(far_side.performed()) > RATE, DONE_SECONDS)
        namespace.restart("consumer")
        after = consumer.wait_ready(DONE_SECONDS)
        assert not before & {pod.metadata.name for pod in after}
        seen = len(far_side.performed())
        eventually(lambda: len(far_side.performed()) > seen + RATE, DONE_SECONDS)  # the new ones work
    consumer.group.wait_committed(DONE_SECONDS)
    assert far_side.performed() == dict.fromkeys(load.ids, 1)
    assert consumer.group.letters() == []
    assert consumer.unknown_outcomes() == 0


def test_an_oom_kill_loses_nothing(namespace: Namespace, platform: Platform, tmp_path: Path) -> None:
    far_side = FarSide(namespace)
    consumer = PodConsumer(
        namespace, platform, tmp_path, handler="eat_once", env={"FAR_SIDE": far_side.inside}, replicas=2
    )
    consumer.wait_ready()
    ids = consumer.group.send_many(200)
    consumer.group.send("hungry-1", key=b"k7")
    ids += ["hungry-1", *consumer.group.send_many(200, prefix="f")]
    consumer.group.flush()
    eventually(lambda: _last_ends(namespace) == ["OOMKilled 137"], DONE_SECONDS)
    consumer.group.wait_committed(DONE_SECONDS)
    _nothing_lost(far_side, ids)
    _repeats_are_named(far_side, consumer)
    eventually(lambda: len(namespace.ready_pods("consumer")) == 2, DONE_SECONDS)


def test_a_sigkill_from_the_node_loses_nothing(
    namespace: Namespace, new_namespace: Callable[..., Namespace], platform: Platform, tmp_path: Path
) -> None:
    far_side = FarSide(namespace)
    consumer = PodConsumer(
        namespace, platform, tmp_path, handler="mail_slowly", env={"FAR_SIDE": far_side.inside}, replicas=2
    )
    [victim, _] = consumer.wait_ready()
    killer = Killer(new_namespace(security="privileged"), victim)
    with Load(consumer.group) as load:
        eventually(lambda: len(far_side.performed()) > RATE, DONE_SECONDS)
        killer.kill()
        eventually(lambda: _restarts(namespace) > 0, DONE_SECONDS)
        seen = len(far_side.performed())
        eventually(lambda: len(far_side.performed()) > seen + RATE, DONE_SECONDS)
    consumer.group.wait_committed(DONE_SECONDS)
    assert _last_ends(namespace) == ["Error 137"]
    _nothing_lost(far_side, load.ids)
    _repeats_are_named(far_side, consumer)


def _nothing_lost(far_side: FarSide, ids: list[str]) -> None:
    missing = set(ids) - far_side.performed().keys()
    assert not missing


def _repeats_are_named(far_side: FarSide, consumer: PodConsumer) -> None:
    """An effect happens again only where its owner died in it, and the survivors counted that."""
    times = Counter(far_side.performed().values())
    assert set(times) <= {1, 2}
    assert times[2] <= consumer.unknown_outcomes()


def _last_ends(namespace: Namespace) -> list[str]:
    """Why containers were started anew, as the kubelet tells it."""
    path = (
        "{range .items[*].status.containerStatuses[*].lastState.terminated}{.reason} {.exitCode}{'\\n'}{end}"
    )
    return namespace.kubectl(
        "get", "pods", "--selector=app=consumer", f"--output=jsonpath={path}"
    ).splitlines()


def _restarts(namespace: Namespace) -> int:
    statuses = [(pod.status.containerStatuses or []) for pod in namespace.pods("consumer")]
    return sum(one.restartCount for found in statuses for one in found)
