"""Async handlers: units as tasks of one event loop, in a thread of its own."""

import asyncio
import contextlib
import threading
from collections.abc import Awaitable, Callable, Sequence
from time import monotonic
from typing import Any

from doublegate.runtime.event import Context
from doublegate.runtime.executors_batch import Call, Pair, Plan, Verdict, arguments, conclude, failed_events
from doublegate.runtime.executors_events import event_maker, send_children
from doublegate.runtime.executors_outcomes import LEASE_LOST, of_handler, of_timeout
from doublegate.runtime.executors_watch import Run, Watchdog
from doublegate.runtime.handler import Handler
from doublegate.runtime.unit import Terms, Unit

__all__ = ["AsyncExecutor", "AsyncInvoke", "async_invoke"]

AsyncInvoke = Callable[[Call, Sequence[Pair], Any], Awaitable[Verdict]]

_GRACE = 1.0
"""Seconds that a cancelled handler has to end; then it is abandoned like a synchronous one."""


class AsyncExecutor:
    """Runs an async handler; see `unit.Executor`. A unit's calls follow each other, units run side by side.

    A handler past its timeout is cancelled, and its outcome is UNKNOWN. One that does not end, or blocks the
    event loop, is abandoned after a second.

    Args:
        handler: the handler.
        terms: what the engine gives.
        perform: carries out a call; by default the handler alone, without a transaction.
        close: awaited on the event loop at the end.
    """

    def __init__(
        self,
        handler: Handler,
        terms: Terms,
        perform: Callable[[Call], Awaitable[Verdict]] | None = None,
        close: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        if not handler.is_async:
            raise ValueError(f"handler {handler.name} is not async")
        invoke = async_invoke(handler, terms)
        self._terms = terms
        self._singly = not handler.batch
        self._make = event_maker(handler, terms)
        self._perform = perform or (lambda call: invoke(call, call.pairs, None))
        self._closers = [closer for closer in (handler.close, close) if closer is not None]
        self._tasks: set[asyncio.Task[None]] = set()
        self._giving_up = threading.Lock()
        self._abandoned: set[Run] = set()
        self._stopping = False
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="handlers", daemon=True)
        self._thread.start()
        self._watchdog = Watchdog(terms.timeout, self._overdue)

    def submit(self, unit: Unit) -> None:
        """Take a unit; never blocks."""
        run = Run(unit, batch=True)
        self._loop.call_soon_threadsafe(self._begin, run)

    def abandoned(self) -> int:
        """Handlers that outlived their cancellation and still run."""
        return len(self._abandoned)

    def stop(self, timeout: float) -> None:
        """Finish the calls that run, cancel what is left at the deadline, end the event loop."""
        if self._stopping:
            return
        self._stopping = True
        ended = asyncio.run_coroutine_threadsafe(self._end_tasks(timeout), self._loop)
        with contextlib.suppress(TimeoutError):
            ended.result(timeout + _GRACE)
        self._watchdog.stop()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(_GRACE)
        if not self._thread.is_alive():
            self._loop.close()

    def _begin(self, run: Run) -> None:
        task = self._loop.create_task(self._serve(run))
        run.worker = task
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, run: Run) -> None:
        self._watchdog.watch(run)
        plan = Plan(run, self._terms, self._make, singly=self._singly)
        while not self._stopping and (call := plan.next()) is not None:
            timed_out = False
            try:
                verdict = await self._perform(call)
            except asyncio.CancelledError as error:
                timed_out = run.cancelled == call.number
                end = of_handler(error, idempotent=self._terms.idempotent)
                verdict = call.fail(of_timeout(self._terms.timeout) if timed_out else end)
            if run.cancelled == call.number:
                run.worker.uncancel()
            if not plan.end(call, verdict):
                self._late(run, call, None if timed_out else verdict)
                return
        self._watchdog.forget(run)
        self._terms.report(run.unit)

    def _late(self, run: Run, call: Call, verdict: Verdict | None) -> None:
        with self._giving_up:  # its report comes first
            self._abandoned.discard(run)
        if verdict is not None:
            for (record, _), attempt in zip(call.pairs, verdict.attempts, strict=True):
                self._terms.late(record, attempt)

    def _overdue(self, run: Run, call: int) -> float | None:
        if run.cancelled != call:
            run.cancelled = call
            self._loop.call_soon_threadsafe(self._cancel, run, call)
            return _GRACE
        began = run.running.get(call)
        left = 0.0 if began is None else began + self._terms.timeout + _GRACE - monotonic()
        if left > 0:
            return left
        with self._giving_up:
            if run.running.pop(call, None) is not None:
                self._watchdog.forget(run)
                self._abandoned.add(run)
                held = run.held(call)
                for record in held:
                    record.result = of_timeout(self._terms.timeout)
                run.unit.seconds += self._terms.timeout
                run.unit.events += len(held)
                self._terms.report(run.unit)
        return None

    def _cancel(self, run: Run, call: int) -> None:
        if call in run.running:
            run.worker.cancel()

    async def _end_tasks(self, seconds: float) -> None:
        if self._tasks:
            _, late = await asyncio.wait(self._tasks, timeout=seconds)
            for task in late:
                task.cancel()
            if late:
                await asyncio.wait(late, timeout=_GRACE / 2)
        for close in self._closers:
            await close()


def async_invoke(handler: Handler, terms: Terms) -> AsyncInvoke:
    """What calls an async handler and sends what it produced."""

    async def invoke(call: Call, pairs: Sequence[Pair], connection: Any) -> Verdict:
        if not call.start(pairs):
            return Verdict([LEASE_LOST] * len(pairs), LEASE_LOST)
        events = [event for _, event in pairs]
        context = Context(terms.scope, events, connection, call.spans, terms.owner)
        try:
            with call.current_span():
                returned = await handler.function(*arguments(handler, events, context))
                attempts = conclude(returned, pairs, handler, terms)
                if context.children:
                    failed = failed_events(pairs, attempts)
                    await asyncio.to_thread(send_children, context, terms, failed)
        except asyncio.CancelledError:
            raise
        except BaseException as error:  # noqa: BLE001 - sys.exit() in a handler ends no consumer
            shared = of_handler(error, idempotent=terms.idempotent)
            return Verdict([shared] * len(pairs), shared)
        return Verdict(attempts)

    return invoke
