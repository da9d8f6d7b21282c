"""Offers events at a rate that changes; what the consumers don't bear is refused, as at a service's edge."""

from __future__ import annotations

import random
import threading
import time
from typing import TYPE_CHECKING, NamedTuple, Self

from doublegate import Producer
from doublegate.producer_errors import Backpressure

if TYPE_CHECKING:
    from doublegate.contract.flow_board import Suggestion
    from tests.benchmarks.flow.plan import Phase

__all__ = ["PAYLOAD_BYTES", "Load", "Sent"]

PAYLOAD_BYTES = 8192
"""So large that the warm-up fills the reservoir and the 32 MiB that Kafka's client prefetches."""
TICK_SECONDS = 0.005
STOP_SECONDS = 30.0


class Sent(NamedTuple):
    """Events so far."""

    offered: int
    written: int


class Load:
    """A thread that offers events; it runs while the block does.

    One producer follows and one observes, so that a phase can choose. An event that may not be written now is
    not kept for later: the schedule of what is offered is the same whether anybody follows or not.

    Args:
        bootstrap: the brokers.
        topic: where to.
    """

    def __init__(self, bootstrap: str, topic: str) -> None:
        kafka = {"bootstrap.servers": bootstrap}
        self._topic = topic
        self._follows = Producer(kafka, flow="follow")
        self._observes = Producer(kafka, flow="observe")
        self._producer = self._observes
        self._rate = 0.0
        self._sent = Sent(0, 0)
        self._error: Exception | None = None
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="load")

    def enter(self, phase: Phase) -> None:
        """From now on at that phase's rate."""
        self._producer = self._follows if phase.follow else self._observes
        self._rate = phase.rate

    @property
    def sent(self) -> Sent:
        """So far.

        Raises:
            Exception: what ended the thread.
        """
        if self._error is not None:
            raise self._error
        return self._sent

    def suggestion(self) -> Suggestion | None:
        """The slowest group's word, as producers hear it."""
        return self._observes.flow_state(self._topic).suggestion

    def _run(self) -> None:
        payload, credit, before = random.randbytes(PAYLOAD_BYTES), 0.0, time.monotonic()
        try:
            while not self._stopping.wait(TICK_SECONDS):
                now = time.monotonic()
                credit, before = credit + self._rate * (now - before), now
                due, credit = int(credit), credit % 1
                written = sum(self._write(payload) for _ in range(due))
                self._sent = Sent(self._sent.offered + due, self._sent.written + written)
        except Exception as error:  # noqa: BLE001 - told to whoever reads `sent`
            self._error = error

    def _write(self, payload: bytes) -> bool:
        try:
            self._producer.produce(self._topic, payload, wait=False)
        except Backpressure:
            return False
        return True

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        self._thread.join(STOP_SECONDS)
        self._follows.close(STOP_SECONDS)
        self._observes.close(STOP_SECONDS)
