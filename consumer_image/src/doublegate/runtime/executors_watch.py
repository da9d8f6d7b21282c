"""Notices handlers that run too long, without a lock or a queue operation per event."""

import threading
import time
from collections.abc import Callable
from typing import Any

from doublegate.runtime.record import Record
from doublegate.runtime.unit import Unit

__all__ = ["Run", "Watchdog"]

_SHORTEST_SLEEP = 0.001


class Run:
    """A unit with a worker.

    `running` is the baton: the worker puts a call's number and start there before the call and takes it out
    after; the watchdog takes it out at the deadline. Taking (`dict.pop`) is atomic, and who got it owns the
    end of the call's records; a worker that came too late owns nothing of the unit any more.

    Attributes:
        unit: the unit.
        calls: records of each call, by its number, for handlers of batches; None where a call's number is
            the record's place in the unit.
        running: number and start (`time.monotonic`) of the call that runs.
        worker: the thread, or the event loop's task, that runs it.
        cancelled: number of the call that was cancelled at its deadline.
    """

    __slots__ = ("calls", "cancelled", "running", "unit", "worker")

    def __init__(self, unit: Unit, *, batch: bool) -> None:
        self.unit = unit
        for record in unit.records:
            record.result = None  # of an earlier attempt
        self.calls: list[list[Record]] | None = [] if batch else None
        self.running: dict[int, float] = {}
        self.worker: Any = None
        self.cancelled: int | None = None

    def held(self, call: int) -> list[Record]:
        """The records of a call."""
        return [self.unit.records[call]] if self.calls is None else self.calls[call]


class Watchdog:
    """A thread that looks at runs when one of their calls may be overdue.

    Between two looks it sleeps no longer than `timeout`, so a call that starts meanwhile can't be missed and
    nobody needs to wake it.

    Args:
        timeout: seconds that a call may take.
        overdue: called with a run and the number of a call that is late; returns the seconds after which it
            wants to be called again if the call still runs.
    """

    def __init__(self, timeout: float, overdue: Callable[[Run, int], float | None]) -> None:
        self._timeout = timeout
        self._overdue = overdue
        self._runs: set[Run] = set()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="handler-watchdog", daemon=True)
        self._thread.start()

    def watch(self, run: Run) -> None:
        """Look at `run` from now on."""
        self._runs.add(run)

    def forget(self, run: Run) -> None:
        """Its unit ended."""
        self._runs.discard(run)

    def stop(self) -> None:
        """Look no more."""
        self._stopping.set()

    def _watch(self) -> None:
        sleep = self._timeout
        while not self._stopping.wait(max(sleep, _SHORTEST_SLEEP)):
            now = time.monotonic()
            sleep = self._timeout
            for run in self._runs.copy():
                for call, began in run.running.copy().items():
                    left = began + self._timeout - now
                    again = self._overdue(run, call) if left <= 0 else left
                    if again is not None:
                        sleep = min(sleep, again)
