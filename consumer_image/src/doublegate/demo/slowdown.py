"""The demo's part on backpressure: a consumer becomes slow, and the producer that follows it slows down.

Then it is well again, and so is the producer. `story` calls it, while the consumer of the orders runs.
"""

from __future__ import annotations

import logging
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from confluent_kafka.admin import AdminClient

from doublegate.contract.flow_signal import CONTROL_TOPIC
from doublegate.demo.orders import order_event, orders_stored
from doublegate.demo.proof import Invariant
from doublegate.demo.scene import watch_of
from doublegate.producer import Producer
from doublegate.producer_errors import Backpressure

if TYPE_CHECKING:
    from collections.abc import Callable

    from doublegate.demo.processes import Children
    from doublegate.demo.scene import Scene
    from doublegate.demo.settings import Settings
    from doublegate.demo.view import View
    from doublegate.demo.watch import GroupWatch

__all__ = ["Window", "prove_slowdown", "show_slowdown"]

OFFERED_PER_SECOND = 200
"""Five times what the slow handler bears, and little for the sound one."""
WINDOW_SECONDS = 1.0
PHASE_SECONDS = 30.0
"""At most; it ends when the producer does what it should."""
WORD_SECONDS = 20.0
DRAIN_SECONDS = 30.0
CALL_SECONDS = 10.0
FREE = 0.9
"""Of what is offered; the rest is for a window's edges."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Window:
    """A second of writing.

    Attributes:
        offered: events per second that the producer was given.
        written: events per second that came to be in Kafka.
        asked: events per second that the group asks for, as the producer read it; None is no limit.
        lag: events that the group is behind.
    """

    offered: float
    written: float
    asked: float | None
    lag: int

    @property
    def held_back(self) -> bool:
        """The group asks for less, and less is written."""
        return self.asked is not None and self.written < self.offered / 2

    @property
    def free(self) -> bool:
        """What is offered is written."""
        return self.written >= FREE * self.offered

    @property
    def line(self) -> str:
        """All of it in a line."""
        asked = "no limit" if self.asked is None else f"{self.asked:.0f}/s"
        return (
            f"offered {self.offered:.0f}/s, allowed {asked}, written {self.written:.0f}/s; "
            f"the group is {self.lag:,} behind"
        )


def show_slowdown(settings: Settings, scene: Scene, view: View, children: Children) -> list[Invariant]:
    """Offer a steady rate to a consumer that is slow, then to one that is well.

    Raises:
        DeadlineExceeded: the group says nothing.
        ProcessDied: the consumer did.
        Undelivered: the brokers did not take the events.
    """
    watch = watch_of(scene, scene.orders)
    with AdminClient(scene.kafka, logger=_log) as admin:  # the group's first word makes the control topic
        children.wait_for(
            "the first word of the orders' consumer",
            lambda: CONTROL_TOPIC in admin.list_topics(timeout=CALL_SECONDS).topics,
            WORD_SECONDS,
        )
    settings.slow.touch()
    with Producer(scene.kafka, flow="follow") as producer:
        flood = _Flood(producer, scene.orders.spec.kafka.topic, watch, view, children)
        view.step(f"the orders' consumer is slow now, and {OFFERED_PER_SECOND} orders a second are offered")
        slow = flood.until(lambda window: window.held_back)
        settings.slow.unlink()
        view.step("its handler is well again")
        well = flood.until(lambda window: window.free)
    deadline = time.monotonic() + DRAIN_SECONDS
    while (now := watch.progress()).lag and time.monotonic() < deadline:
        children.check()
        time.sleep(WINDOW_SECONDS / 4)
    return prove_slowdown(slow, well, now.end, orders_stored(scene))


def prove_slowdown(slow: Window, well: Window, written: int, stored: int) -> list[Invariant]:
    """What the last window of either phase must have been, and that what was let through was performed."""
    return [
        Invariant("backpressure_slows", slow.held_back, f"a slow group: {slow.line}"),
        Invariant("backpressure_recovers", well.free, f"the group is well again: {well.line}"),
        Invariant(
            "backpressure_complete", written == stored, f"of {written} orders in Kafka {stored} are performed"
        ),
    ]


class _Flood:
    """Offers orders at a steady rate; those that are refused are gone."""

    def __init__(
        self, producer: Producer, topic: str, watch: GroupWatch, view: View, children: Children
    ) -> None:
        self._producer, self._topic, self._watch = producer, topic, watch
        self._view, self._children = view, children
        self._number = 0

    def until(self, reached: Callable[[Window], bool]) -> Window:
        """Write until a window is as it should be, or the phase's time is over; returns the last one."""
        deadline = time.monotonic() + PHASE_SECONDS
        while True:
            self._children.check()
            window = self._window()
            self._view.step(f"  {window.line}")
            if reached(window) or time.monotonic() >= deadline:
                return window

    def _window(self) -> Window:
        before, first, began = self._watch.progress().end, self._number, time.monotonic()
        while time.monotonic() < began + WINDOW_SECONDS:
            self._number += 1
            with suppress(Backpressure):
                event = order_event(f"order-{self._number}", "Porto")
                self._producer.produce(self._topic, event, wait=False)
            time.sleep(1 / OFFERED_PER_SECOND)
        seconds = time.monotonic() - began
        said = self._producer.flow_state(self._topic).suggestion
        self._producer.flush()
        now = self._watch.progress()
        return Window(
            offered=(self._number - first) / seconds,
            written=(now.end - before) / seconds,
            asked=None if said is None else said.rate,
            lag=now.lag,
        )
