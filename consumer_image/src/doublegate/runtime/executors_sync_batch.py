"""Synchronous handlers of batches, and those that share a transaction with the inbox."""

from collections.abc import Callable, Sequence
from typing import Any

from doublegate.runtime.event import Context
from doublegate.runtime.executors_batch import Call, Pair, Plan, Verdict, arguments, conclude, failed_events
from doublegate.runtime.executors_events import event_maker, refuse_awaitable, send_children
from doublegate.runtime.executors_outcomes import LEASE_LOST, of_handler
from doublegate.runtime.executors_pool import Pool
from doublegate.runtime.executors_watch import Run
from doublegate.runtime.handler import Handler
from doublegate.runtime.unit import Terms, Unit

__all__ = ["Invoke", "SyncBatchExecutor", "sync_invoke"]

Invoke = Callable[[Call, Sequence[Pair], Any], Verdict]
"""Calls the handler for some of a call's pairs, on an open connection or None; never raises."""


class SyncBatchExecutor:
    """Runs a synchronous handler call by call; see `unit.Executor`.

    Timeouts are those of `SyncExecutor`, for a call as a whole.

    Args:
        handler: the handler.
        terms: what the engine gives.
        perform: carries out a call; by default the handler alone, without a transaction.
    """

    def __init__(
        self, handler: Handler, terms: Terms, perform: Callable[[Call], Verdict] | None = None
    ) -> None:
        if handler.is_async:
            raise ValueError(f"handler {handler.name} is no synchronous handler")
        invoke = sync_invoke(handler, terms)
        self._terms = terms
        self._singly = not handler.batch
        self._make = event_maker(handler, terms)
        self._perform = perform or (lambda call: invoke(call, call.pairs, None))
        self._pool = Pool(self._work, terms, batch=True)

    def submit(self, unit: Unit) -> None:
        """Take a unit; never blocks."""
        self._pool.submit(unit)

    def abandoned(self) -> int:
        """Handlers that outlived their timeout and still run."""
        return self._pool.abandoned()

    def stop(self, timeout: float) -> None:
        """Finish the calls that run, leave other records without a result, end the threads."""
        self._pool.stop(timeout)

    def _work(self, run: Run, pool: Pool) -> bool:
        plan = Plan(run, self._terms, self._make, singly=self._singly)
        while not pool.stopping and (call := plan.next()) is not None:
            verdict = self._perform(call)
            if not plan.end(call, verdict):
                pool.await_report()
                for (record, _), attempt in zip(call.pairs, verdict.attempts, strict=True):
                    self._terms.late(record, attempt)
                return False
        return True


def sync_invoke(handler: Handler, terms: Terms) -> Invoke:
    """What calls a synchronous handler and sends what it produced."""

    def invoke(call: Call, pairs: Sequence[Pair], connection: Any) -> Verdict:
        if not call.start(pairs):
            return Verdict([LEASE_LOST] * len(pairs), LEASE_LOST)
        events = [event for _, event in pairs]
        context = Context(terms.scope, events, connection, call.spans, terms.owner)
        try:
            with call.current_span():
                returned = handler.function(*arguments(handler, events, context))
                refuse_awaitable(handler, returned)
                attempts = conclude(returned, pairs, handler, terms)
                if context.children:
                    send_children(context, terms, failed_events(pairs, attempts))
        except BaseException as error:  # noqa: BLE001 - sys.exit() in a handler ends no consumer
            shared = of_handler(error, idempotent=terms.idempotent)
            return Verdict([shared] * len(pairs), shared)
        return Verdict(attempts)

    return invoke
