"""What follows when a worker gives a unit back: DONE, another attempt, or a dead letter."""

import time
from collections.abc import Callable, Sequence

from doublegate.contract.consumer_spec import ConsumerSpec
from doublegate.contract.deadletter import DeadLetterReason
from doublegate.contract.resource import Mode
from doublegate.contract.states import Decision, Gate, UnknownCause
from doublegate.runtime.books import Books
from doublegate.runtime.breaker import Breaker
from doublegate.runtime.executors_outcomes import LEASE_LOST
from doublegate.runtime.letters import Letters
from doublegate.runtime.mailbox import Timers
from doublegate.runtime.outcome import Attempt, Outcome
from doublegate.runtime.pace import Concurrency
from doublegate.runtime.parking import Parking
from doublegate.runtime.record import Record, Stage
from doublegate.runtime.report import Report
from doublegate.runtime.settle import DeadLetterIt, TryAgain, after
from doublegate.runtime.state import State
from doublegate.runtime.unit import Unit

__all__ = ["Endings"]


class Endings:
    """Acts on the results of attempts; the engine's thread only."""

    def __init__(
        self,
        spec: ConsumerSpec,
        state: State,
        books: Books,
        letters: Letters,
        concurrency: Concurrency,
        breaker: Breaker,
        report: Report,
        timers: Timers,
        claim_for_letter: Callable[[Record, DeadLetterReason, str], None],
        parking: Parking | None,
    ) -> None:
        self._spec = spec
        self._state = state
        self._books = books
        self._concurrency = concurrency
        self._breaker = breaker
        self._report = report
        self._timers = timers
        self._claim_for_letter = claim_for_letter
        self._parking = parking
        self._letters = letters
        self._observe = spec.mode is Mode.OBSERVE

    def ended(self, unit: Unit, in_flight: int) -> None:
        """A unit came back; its lanes may go on.

        Args:
            unit: every record that was started has its result.
            in_flight: units that were with workers, this one included.
        """
        records = unit.records
        good = [r for r in records if (a := r.result) is not None and a.outcome is Outcome.DONE]
        failed: list[Record] = []
        if len(good) != len(records):
            # SETTLING: an earlier attempt, given up as unknown, ended DONE while this one ran.
            bad = [
                r
                for r in records
                if r.stage is not Stage.SETTLING
                and (r.result is None or r.result.outcome is not Outcome.DONE)
            ]
            self._give_back(self._unfinished(bad))
            failed = [r for r in bad if r.result is not None and r.result is not LEASE_LOST]
        self._complete(good)
        if unit.events:
            self._report.metrics.handler_seconds.observe(unit.seconds, unit.events)
            # How quickly an event was refused for good, or known already, says nothing of a call that works.
            trouble = any(not a.final for r in failed if (a := r.result) is not None)
            worked = any(not a.duplicate for r in good if (a := r.result) is not None)
            if trouble or worked:
                self._concurrency.ended(unit.seconds, unit.events, in_flight, trouble=trouble)
        if good or failed:
            self._breaker.record(time.monotonic(), len(good) + len(failed), len(failed))
        self._state.lanes.release(records)

    def late(self, record: Record, attempt: Attempt) -> None:
        """A handler that was given up has ended after all; DONE is a fact whenever it is told."""
        if attempt.outcome is not Outcome.DONE or record.finished:
            return
        self._report.metrics.late_completions.add(1)
        if record.stage is Stage.DROPPED:
            self._books.complete([record])  # for the ledger; the commit is another's
            return
        if record.stage is Stage.CLAIMED:
            self._state.lanes.drop(record)
        self._complete([record])

    def _complete(self, records: list[Record]) -> None:
        duplicates = [r for r in records if r.result is not None and r.result.duplicate]
        for record in records:
            record.stage = Stage.SETTLING
        if done := len(records) - len(duplicates):
            self._report.decided(Decision.DONE, Gate.HANDLER, done)
        if duplicates:
            self._report.decided(Decision.DUPLICATE, Gate.INBOX, len(duplicates), duplicates[0].event_id)
        if self._observe:
            self._state.finish(r for r in records if r.claimless)
            records = [r for r in records if not r.claimless]
        self._books.complete(records)

    def _unfinished(self, bad: Sequence[Record]) -> list[Record]:
        """Act on what came back without DONE, in its order; returns what goes back to its lane."""
        back: list[Record] = []
        heads: dict[bytes | None, Record] = {}
        for record in bad:
            step = None if record.result is None else self._next(record, record.result)
            if isinstance(step, DeadLetterIt):
                if self._write(record, step):
                    heads.setdefault(record.message.key(), record)
            elif self._parking is not None and record.message.key() in heads:
                self._parking.follow(record)
            else:
                back.append(record)
                if step is not None:
                    self._state.lanes.block(record)
                    self._timers.after(step.seconds, self._state.lanes.unblock, record)
        if self._parking is not None:
            for head in heads.values():  # last: what waits in the lane comes after the whole unit
                self._parking.hold_back_lane(head)
        return back

    def _next(self, record: Record, attempt: Attempt) -> TryAgain | DeadLetterIt:
        """What follows a failed attempt."""
        if attempt.outcome is Outcome.UNKNOWN:
            record.unknown = True
            self._report.unknown_outcome(record, attempt.cause or UnknownCause.EXCEPTION, attempt.error)
        return after(record, attempt, self._spec.retries, self._spec.ledger.on_unknown)

    def _write(self, record: Record, letter: DeadLetterIt) -> bool:
        """Write a dead letter; whether its key is parked by it."""
        if self._parking is not None:
            return self._parking.hold_back(record, letter.reason, letter.error)
        if record.proven:
            self._claim_for_letter(record, letter.reason, letter.error)
        else:
            self._letters.write(record, letter.reason, letter.error)
        return False

    def _give_back(self, records: list[Record]) -> None:
        """Return records to their lanes, or their claims to the ledger where their partition is gone.

        Where the session ended meanwhile the claims are void, and are asked for anew.
        """
        gone = [r for r in records if r.partition.revoked]
        stay = [r for r in records if not r.partition.revoked]
        self._state.abandon(gone)
        self._books.release(gone)
        for record in stay:
            record.stage = Stage.CLAIMED if record.claimless or _holds(record) else Stage.WAITING
        self._state.lanes.requeue([r for r in stay if r.stage is Stage.WAITING])
        self._state.lanes.go_back([r for r in stay if r.stage is Stage.CLAIMED])


def _holds(record: Record) -> bool:
    """Whether its claim was made under the epoch that is in force."""
    return record.partition.active and record.epoch == record.partition.epoch
