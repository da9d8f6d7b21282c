"""Synchronous handlers of single events: a unit's records one after the other, in one thread."""

from collections.abc import Callable
from time import monotonic
from typing import Any

from doublegate.runtime.event import Context, Event
from doublegate.runtime.executors_batch import end_span
from doublegate.runtime.executors_events import event_maker, refuse_awaitable, send_children
from doublegate.runtime.executors_outcomes import LEASE_LOST, of_decoding, of_handler
from doublegate.runtime.executors_pool import Pool
from doublegate.runtime.executors_watch import Run
from doublegate.runtime.handler import Handler
from doublegate.runtime.outcome import Attempt, done
from doublegate.runtime.record import Record
from doublegate.runtime.unit import Terms, Unit

__all__ = ["SyncExecutor"]

_DONE = done()


class SyncExecutor:
    """Runs a synchronous handler of single events; see `unit.Executor`.

    A handler past its timeout is abandoned: its record is reported UNKNOWN at the deadline together with its
    unit, whose remaining records have no result; how it ended after all is told to `terms.late`.

    Args:
        handler: the handler.
        terms: what the engine gives.
    """

    def __init__(self, handler: Handler, terms: Terms) -> None:
        if handler.is_async or handler.batch:
            raise ValueError(f"handler {handler.name} is no synchronous handler of single events")
        self._terms = terms
        self._make = event_maker(handler, terms)
        self._invoke = _invoker(handler, terms)
        self._alive = terms.lease.alive
        self._trace = terms.trace
        self._pool = Pool(self._work, terms, batch=False)

    def submit(self, unit: Unit) -> None:
        """Take a unit; never blocks."""
        self._pool.submit(unit)

    def abandoned(self) -> int:
        """Handlers that outlived their timeout and still run."""
        return self._pool.abandoned()

    def stop(self, timeout: float) -> None:
        """Finish the records that run, leave the others without a result, end the threads."""
        self._pool.stop(timeout)

    def _work(self, run: Run, pool: Pool) -> bool:
        failed: set[int] = set()  # lanes whose later records must wait
        for call, record in enumerate(run.unit.records):
            if failed and record.lane in failed:
                continue
            if pool.stopping:
                break
            try:
                event = self._make(record)
            except Exception as error:  # noqa: BLE001 - whatever a payload provokes is the payload's end
                attempt: Attempt | None = of_decoding(error)
            else:
                attempt = self._attempt(run, call, record, event) if self._alive() else LEASE_LOST
                if attempt is None:
                    return False
            record.result = attempt
            if attempt is not _DONE:
                failed.add(record.lane)
        return True

    def _attempt(self, run: Run, call: int, record: Record, event: Event[Any]) -> Attempt | None:
        span = None if self._trace is None else self._trace(record)
        record.attempt += 1
        run.running[call] = began = monotonic()
        try:
            if span is None:
                self._invoke(event)
            else:
                with span:
                    self._invoke(event)
            attempt = _DONE
        except BaseException as error:  # noqa: BLE001 - sys.exit() in a handler ends no consumer
            attempt = of_handler(error, idempotent=self._terms.idempotent)
        given_up = run.running.pop(call, None) is None
        if span is not None:
            end_span(span, attempt)
        if given_up:
            self._pool.await_report()
            self._terms.late(record, attempt)
            return None
        run.unit.seconds += monotonic() - began
        run.unit.events += 1
        return attempt


def _invoker(handler: Handler, terms: Terms) -> Callable[[Event[Any]], None]:
    """What calls a synchronous handler of single events, and sends what it produced."""
    function = handler.function

    def plain(event: Event[Any]) -> None:
        returned = function(event)
        if returned is not None:
            refuse_awaitable(handler, returned)

    def with_context(event: Event[Any]) -> None:
        context = Context(terms.scope, (event,), owner=terms.owner)
        refuse_awaitable(handler, function(event, context))
        if context.children:
            send_children(context, terms)

    return with_context if handler.takes_context else plain
