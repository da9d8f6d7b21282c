"""Follows the run until it is where it should be; notices whatever dies on the way."""

from __future__ import annotations

import time
from collections import deque
from pathlib import Path
from typing import TYPE_CHECKING

from doublegate.demo.errors import DeadlineExceeded, ProcessDied
from doublegate.demo.records import far_side
from doublegate.demo.scene import watch_of
from doublegate.demo.view import Snapshot
from doublegate.demo.watch import Progress, rejected
from doublegate.local.errors import tail
from doublegate.local.model import Health

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from doublegate.demo.cast import Cast
    from doublegate.demo.processes import Children
    from doublegate.demo.scene import Scene
    from doublegate.demo.view import View
    from doublegate.local.model import ServiceStatus

__all__ = ["Follower", "check_servers"]

TICK_SECONDS = 0.5
STALL_SECONDS = 60.0
RATE_TICKS = 10


class Follower:
    """Polls brokers, counters and the far side, twice a second.

    Args:
        scene: the servers and groups.
        cast: the processes.
        children: the same, to notice deaths.
        servers: the servers' state.
        view: where snapshots go.
        planned: events that will be sent.
        ends: when, on the monotonic clock, the demo must be over.

    Attributes:
        began: when, on that clock, the following began.
        peak: the best rate of finished records so far, over five seconds.
    """

    def __init__(
        self,
        scene: Scene,
        cast: Cast,
        children: Children,
        servers: Callable[[], Iterable[ServiceStatus]],
        view: View,
        *,
        planned: int,
        ends: float,
    ) -> None:
        self._cast, self._children, self._servers, self._view = cast, children, servers, view
        self._planned, self._ends = planned, ends
        self._group = watch_of(scene, scene.flights)
        self._observer = watch_of(scene, scene.observer)
        self._recent: deque[tuple[float, int]] = deque(maxlen=RATE_TICKS)
        self._observed = 0
        self.began = time.monotonic()
        self.peak = 0.0

    def until(self, what: str, reached: Callable[[Progress], bool], *, observer: bool = False) -> Progress:
        """Poll until the group (or the observer) has reached something.

        Raises:
            DeadlineExceeded: It did not within the demo's time, or nothing moves any more.
            ProcessDied: A process or server ended instead.
        """
        moved, before = time.monotonic(), -1
        with self._view.following():
            while True:
                now = self._look(observer=observer)
                if reached(now):
                    return now
                moment, sum_of_all = time.monotonic(), now.done + self._cast.published()["sent"]
                if sum_of_all != before:
                    moved, before = moment, sum_of_all
                if moment > self._ends or moment - moved > STALL_SECONDS:
                    why = "nothing moves any more" if moment < self._ends else "the demo's time is over"
                    raise DeadlineExceeded(
                        f"{what} did not come, {why}; lag {now.lag}\n{self._cast.describe()}"
                    )
                time.sleep(TICK_SECONDS)

    def _look(self, *, observer: bool) -> Progress:
        self._children.check()
        check_servers(self._servers())
        group, observed = self._group.progress(), self._observer.progress()
        self._observed = observed.done
        self._cast.scrape()
        self._view.show(self._snapshot(group))
        return observed if observer else group

    def _snapshot(self, group: Progress) -> Snapshot:
        now = time.monotonic()
        self._recent.append((now, group.done))
        (then, before), counts = self._recent[0], self._cast.counts()
        rate = (group.done - before) / (now - then) if now > then else 0.0
        self.peak = max(self.peak, rate)
        effects = far_side(self._cast.far_side_url, "summary")
        return Snapshot(
            seconds=now - self.began,
            sent=self._cast.published()["sent"],
            planned=self._planned,
            done=group.done,
            observed=self._observed,
            rate=rate,
            rejected=rejected(counts),
            dead_letters=dict(counts.dead_letters),
            unknown=counts.unknown.total(),
            charges=(effects["charge"]["calls"], effects["charge"]["performed"]),
            mails=effects["mail"]["calls"],
            consumers={name: one.child.exit_code is None for name, one in self._cast.consumers.items()},
        )


def check_servers(servers: Iterable[ServiceStatus]) -> None:
    """Make sure that every server lives.

    Raises:
        ProcessDied: Naming it and its log.
    """
    for server in servers:
        if server.health is Health.STOPPED:
            raise ProcessDied(
                f"{server.service} died while the demo ran; its log is {server.log}, which ends with:\n"
                f"{tail(Path(server.log))}"
            )
