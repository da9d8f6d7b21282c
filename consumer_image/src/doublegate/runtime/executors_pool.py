"""The threads of synchronous handlers."""

import itertools
import threading
import time
from collections.abc import Callable
from queue import SimpleQueue

from doublegate.runtime.executors_outcomes import of_timeout
from doublegate.runtime.executors_watch import Run, Watchdog
from doublegate.runtime.unit import Terms, Unit

__all__ = ["Pool", "Work"]

Work = Callable[[Run, "Pool"], bool]
"""Runs a unit to its end and returns True, or returns False when the watchdog gave it up meanwhile."""


class Pool:
    """Worker threads, as many as there are units in flight, and the watchdog of their handlers.

    A thread whose handler outlives its timeout is abandoned: the watchdog reports the unit, the thread ends
    when its handler does, and another takes its place.

    Args:
        work: runs one unit.
        terms: whom to tell.
        batch: the handler takes whole batches.
    """

    def __init__(self, work: Work, terms: Terms, *, batch: bool) -> None:
        self._work = work
        self._terms = terms
        self._batch = batch
        self._queue: SimpleQueue[Unit | None] = SimpleQueue()
        self._lock = threading.Lock()
        self._threads: set[threading.Thread] = set()
        self._numbers = itertools.count(1)
        self._in_flight = 0
        self._abandoned = 0
        self._giving_up = threading.Lock()
        self.stopping = False
        """Start no further record."""
        self._watchdog = Watchdog(terms.timeout, self._overdue)

    def submit(self, unit: Unit) -> None:
        """Queue a unit, and start a thread when all are busy."""
        with self._lock:
            self._in_flight += 1
            if len(self._threads) < self._in_flight:
                name = f"handler-{next(self._numbers)}"
                thread = threading.Thread(target=self._serve, name=name, daemon=True)
                self._threads.add(thread)
                thread.start()
        self._queue.put(unit)

    def abandoned(self) -> int:
        """Handlers that outlived their timeout and still run."""
        return max(0, self._abandoned)

    def await_report(self) -> None:
        """Return when the watchdog has reported the unit that it took from the caller."""
        with self._giving_up:
            pass

    def stop(self, timeout: float) -> None:
        """Finish what runs, report the rest untouched; a thread that doesn't end is left behind."""
        deadline = time.monotonic() + timeout
        self.stopping = True
        with self._lock:
            threads = list(self._threads)
        for _ in threads:
            self._queue.put(None)
        for thread in threads:
            thread.join(max(0.0, deadline - time.monotonic()))
        self._watchdog.stop()

    def _serve(self) -> None:
        thread = threading.current_thread()
        while (unit := self._queue.get()) is not None:
            run = Run(unit, batch=self._batch)
            run.worker = thread
            self._watchdog.watch(run)
            finished = self._work(run, self)
            if not finished:
                with self._lock:
                    self._abandoned -= 1
                return
            self._watchdog.forget(run)
            self._ended(run)
        with self._lock:
            self._threads.discard(thread)

    def _overdue(self, run: Run, call: int) -> None:
        with self._giving_up:
            if run.running.pop(call, None) is None:
                return
            self._watchdog.forget(run)
            held = run.held(call)
            for record in held:
                record.result = of_timeout(self._terms.timeout)
            run.unit.seconds += self._terms.timeout
            run.unit.events += len(held)
            self._ended(run, abandoned=True)

    def _ended(self, run: Run, *, abandoned: bool = False) -> None:
        with self._lock:
            self._in_flight -= 1
            if abandoned:
                self._abandoned += 1
                self._threads.discard(run.worker)
        self._terms.report(run.unit)
