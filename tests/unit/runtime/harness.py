"""An engine's stand-in for the tests of executors."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from confluent_kafka import Message

from doublegate.runtime.executors import build_executor
from doublegate.runtime.handler import Handler, inspect_handler
from doublegate.runtime.record import Record
from doublegate.runtime.unit import Terms, Unit
from tests.helpers import eventually

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from doublegate.runtime.outcome import Attempt, Outcome
    from doublegate.runtime.unit import Executor

SECONDS = 20.0
TOPIC_ID = bytes(range(16))


def record(event_id: str, *, lane: int = 0, payload: bytes | None = b"v", digest: bytes = bytes(8)) -> Record:
    """A record as intake makes them."""
    partition: Any = SimpleNamespace(topic_id=TOPIC_ID, name=SimpleNamespace(topic="t", partition=3))
    headers = [("correlation_id", event_id.encode())]
    message = Message(
        topic="t", partition=3, offset=7, key=b"k", value=payload, headers=headers, timestamp=(1, 123)
    )
    key = event_id.encode().rjust(16, b"\0")
    return Record(partition, 7, message, headers, event_id.encode(), key, digest, lane, 1, False)


@dataclass
class Engine:
    """Collects what executors tell, and is their lease."""

    reported: list[Unit] = field(default_factory=list)
    late: list[tuple[Record, Attempt]] = field(default_factory=list)
    produced: list[Any] = field(default_factory=list)
    order: list[str] = field(default_factory=list)
    lease: Callable[[], bool] = lambda: True
    executor: Executor | None = None
    _changed: threading.Condition = field(default_factory=threading.Condition)

    def alive(self) -> bool:
        return self.lease()

    def report(self, unit: Unit) -> None:
        with self._changed:
            self.order.append("report")
            self.reported.append(unit)
            self._changed.notify_all()

    def tell_late(self, late: Record, attempt: Attempt) -> None:
        with self._changed:
            self.order.append("late")
            self.late.append((late, attempt))
            self._changed.notify_all()

    def start(self, function: Any, *, inbox: Any = None, pools: Any = None, **terms: Any) -> Engine:
        given: dict[str, Any] = {
            "scope": "g",
            "owner": "6f776e6572000001",
            "topic": "source",
            "timeout": SECONDS,
            "lease": self,
            "report": self.report,
            "late": self.tell_late,
            "produce": self.produced.extend,
            **terms,
        }
        handler = function if isinstance(function, Handler) else inspect_handler(function)
        self.executor = build_executor(handler, Terms(**given), inbox, pools)
        return self

    def submit(self, *records: Record) -> Unit:
        assert self.executor is not None
        unit = Unit(list(records))
        self.executor.submit(unit)
        return unit

    def run(self, *records: Record) -> list[Outcome | None]:
        """Submit one unit and wait for its end."""
        unit = self.submit(*records)
        self.wait(lambda: unit in self.reported)
        return outcomes(records)

    def wait(self, condition: Callable[[], bool]) -> None:
        with self._changed:
            assert self._changed.wait_for(condition, SECONDS), "not in time"

    def wait_no_abandoned(self) -> None:
        eventually(lambda: self.executor is not None and self.executor.abandoned() == 0, SECONDS, 0.005)

    @property
    def stopping(self) -> bool:
        executor: Any = self.executor
        return bool(
            getattr(executor, "_stopping", False)
            or getattr(getattr(executor, "_pool", None), "stopping", False)
        )

    def stop(self) -> None:
        if self.executor is not None:
            self.executor.stop(5.0)


def outcomes(records: Sequence[Record]) -> list[Outcome | None]:
    """How each ended; None for those that were left alone."""
    return [None if r.result is None else r.result.outcome for r in records]
