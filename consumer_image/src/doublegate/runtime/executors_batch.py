"""Batches: which records a call takes, and what its end means for each of them. No I/O."""

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from time import monotonic
from typing import TYPE_CHECKING, Any, NamedTuple

from doublegate.contract.states import Gate
from doublegate.runtime.event import Context, Event
from doublegate.runtime.executors_events import EventMaker
from doublegate.runtime.executors_outcomes import of_decoding, of_handler
from doublegate.runtime.executors_watch import Run
from doublegate.runtime.handler import Handler
from doublegate.runtime.outcome import Attempt, Outcome, done
from doublegate.runtime.record import Record
from doublegate.runtime.unit import Terms

if TYPE_CHECKING:
    from doublegate.telemetry.spans import ProcessSpan

__all__ = ["Call", "Pair", "Plan", "Verdict", "arguments", "conclude", "end_span", "failed_events"]

Pair = tuple[Record, Event[Any]]


class Verdict(NamedTuple):
    """How a call ended.

    Attributes:
        attempts: of each record of the call.
        shared: the attempt of those that failed together, so that fewer of them may succeed.
    """

    attempts: list[Attempt]
    shared: Attempt | None = None


class Call:
    """One call of a handler.

    Attributes:
        pairs: records and their events.
        spans: of the events that are sampled, once `start` said so.
    """

    def __init__(self, number: int, pairs: list[Pair], run: Run, terms: Terms) -> None:
        self.number = number
        self.pairs = pairs
        self.spans: dict[Event[Any], ProcessSpan] = {}
        self._run = run
        self._terms = terms

    def start(self, pairs: Sequence[Pair]) -> bool:
        """The effect of `pairs` starts now: counts their attempts; False when the lease has ended."""
        if not self._terms.lease.alive():
            return False
        trace = self._terms.trace
        for record, event in pairs:
            record.attempt = event.attempt
            span = None if trace is None else trace(record)
            if span is not None:
                self.spans[event] = span
        return True

    def current_span(self) -> AbstractContextManager[Any]:
        """The only event's span, to be the current one; those of a batch are in the context."""
        return next(iter(self.spans.values())) if len(self.pairs) == 1 and self.spans else nullcontext()

    def restart_clock(self) -> None:
        """What follows has a whole timeout again."""
        if self._run.running.pop(self.number, None) is not None:  # else the watchdog has it, for good
            self._run.running[self.number] = monotonic()

    def fail(self, shared: Attempt) -> Verdict:
        """All records of the call failed together."""
        return Verdict([shared] * len(self.pairs), shared)


class Plan:
    """The calls of one unit.

    A batch that proved to have no effect is halved until the culprits are alone, as long as `terms.timeout`
    since the first failure has not passed; not after `Retry(after=...)`, which speaks for all of them.

    Args:
        run: the unit.
        terms: whom to tell.
        make: makes events; a payload that it refuses is settled at once.
        singly: one record per call.
    """

    def __init__(self, run: Run, terms: Terms, make: EventMaker, *, singly: bool) -> None:
        self._run = run
        self._terms = terms
        self._failed: set[int] = set()
        self._halve_until: float | None = None
        pairs: list[Pair] = []
        begun: set[int] = set()
        held: set[int] = set()
        for record in run.unit.records:
            if record.lane in self._failed or record.lane in held:
                continue
            try:
                pairs.append((record, make(record)))
            except Exception as error:  # noqa: BLE001 - whatever a payload provokes is the payload's end
                if record.lane in begun:
                    held.add(record.lane)  # its turn comes when those before it in its lane have ended
                else:
                    self._settle(record, of_decoding(error))
            else:
                begun.add(record.lane)
        self._parts = [[pair] for pair in reversed(pairs)] if singly else [pairs]

    def next(self) -> Call | None:
        """The next call; the watchdog counts from now. None when the unit is over."""
        while self._parts:
            part = self._parts.pop()
            if self._failed:
                part = [pair for pair in part if pair[0].lane not in self._failed]
            if part:
                calls = self._run.calls
                assert calls is not None  # noqa: S101 - a run of batches has them
                calls.append([record for record, _ in part])
                self._run.running[len(calls) - 1] = monotonic()
                return Call(len(calls) - 1, part, self._run, self._terms)
        return None

    def end(self, call: Call, verdict: Verdict) -> bool:
        """A call ended; False when the watchdog had given it up: the unit isn't ours any more."""
        began = self._run.running.pop(call.number, None)
        for (_, event), attempt in zip(call.pairs, verdict.attempts, strict=True):
            if event in call.spans:
                end_span(call.spans[event], attempt)
        if began is None:
            return False
        self._run.unit.seconds += monotonic() - began
        self._run.unit.events += len(call.pairs)
        again: list[Pair] = []
        halve = self._may_halve(verdict)
        for pair, attempt in zip(call.pairs, verdict.attempts, strict=True):
            if halve and attempt is verdict.shared:
                again.append(pair)
            else:
                self._settle(pair[0], attempt)
        if again:
            middle = (len(again) + 1) // 2
            self._parts += [half for half in (again[middle:], again[:middle]) if half]
        return True

    def _may_halve(self, verdict: Verdict) -> bool:
        shared = verdict.shared
        if shared is None or shared.outcome is not Outcome.NOT_DONE or shared.wait:
            return False
        if shared.retry_after is not None or sum(a is shared for a in verdict.attempts) < 2:
            return False
        if self._halve_until is None:
            self._halve_until = monotonic() + self._terms.timeout
        return monotonic() < self._halve_until

    def _settle(self, record: Record, attempt: Attempt) -> None:
        record.result = attempt
        if attempt.outcome is not Outcome.DONE:
            self._failed.add(record.lane)


def conclude(returned: Any, pairs: Sequence[Pair], handler: Handler, terms: Terms) -> list[Attempt]:
    """What a handler's return value says of each event.

    A batch handler may return one entry per event, as `asyncio.gather(..., return_exceptions=True)` does:
    where an exception stands, that event failed as if its handler had raised it. Otherwise all are DONE.
    """
    attempts = [done()] * len(pairs)
    if not (handler.batch and isinstance(returned, list | tuple)):
        return attempts
    errors = {place: entry for place, entry in enumerate(returned) if isinstance(entry, BaseException)}
    if errors and len(returned) != len(pairs):
        raise TypeError(
            f"handler {handler.name} returned {len(returned)} results for {len(pairs)} events; "
            "return one per event, or None"
        )
    for place, error in errors.items():
        attempts[place] = of_handler(error, idempotent=terms.idempotent)
    return attempts


def failed_events(pairs: Sequence[Pair], attempts: Sequence[Attempt]) -> frozenset[Event[Any]]:
    """The events that a batch handler named as failed."""
    failed = (e for (_, e), a in zip(pairs, attempts, strict=True) if a.outcome is not Outcome.DONE)
    return frozenset(failed)


def arguments(handler: Handler, events: list[Event[Any]], context: Context) -> tuple[Any, ...]:
    """What the handler is called with."""
    first: Any = events if handler.batch else events[0]
    return (first, context) if handler.takes_context else (first,)


def end_span(span: "ProcessSpan", attempt: Attempt) -> None:
    """End an attempt's span."""
    span.end(attempt.outcome.name.lower(), str(Gate.HANDLER), attempt.error)
