"""Which records to claim next, and what the ledger's answer means for each."""

import logging
import time
from collections.abc import Callable, Sequence

from doublegate.contract.deadletter import DeadLetterReason
from doublegate.contract.gate_spec import OnUnknown
from doublegate.contract.states import Decision, Gate, UnknownCause
from doublegate.gate.ledger_types import ClaimOutcome, ExchangeResult, History, SessionStatus
from doublegate.runtime.intake import CONFLICT
from doublegate.runtime.letters import Letters
from doublegate.runtime.mailbox import Timers
from doublegate.runtime.outcome import rejected
from doublegate.runtime.pace import ClaimAhead
from doublegate.runtime.parking import Parking
from doublegate.runtime.partition import Partition
from doublegate.runtime.record import Record, Stage
from doublegate.runtime.report import Report
from doublegate.runtime.state import State

__all__ = ["Claims"]

log = logging.getLogger(__name__)

_DUPLICATES = frozenset(
    {ClaimOutcome.DUPLICATE, ClaimOutcome.DUPLICATE_IN_FLIGHT, ClaimOutcome.DUPLICATE_OF_DEAD_LETTER}
)
_ASK_AGAIN = frozenset({ClaimOutcome.PARK, ClaimOutcome.FENCED, ClaimOutcome.REFUSED})
_OWNER_LOST = frozenset({ClaimOutcome.TAKEN_OVER, ClaimOutcome.EXHAUSTED})
_ASK_AGAIN_SECONDS = 0.5


class Claims:
    """Takes records from the reservoir to where they may start; the engine's thread only.

    Args:
        observe: count what would be rejected, and let everything pass.
        on_unknown: what to do with an event whose former owner died with it.
        parking: holds back what follows a dead letter of its key; None where nothing is.
        session_over: the ledger says that our session is over.
    """

    def __init__(
        self,
        state: State,
        letters: Letters,
        report: Report,
        timers: Timers,
        *,
        observe: bool,
        on_unknown: OnUnknown,
        parking: Parking | None,
        session_over: Callable[[bool], None],
    ) -> None:
        self._state = state
        self._letters = letters
        self._report = report
        self._timers = timers
        self._observe = observe
        self._on_unknown = on_unknown
        self._session_over = session_over
        self._parking = parking
        self._write = parking.write if parking is not None else letters.write
        if parking is not None:
            parking.connect(self.claim_for_letter)
        self._ahead = ClaimAhead()
        self._again: list[Record] = []
        self._parked: set[Record] = set()
        self._passing: list[Record] = []

    def claim_for_letter(self, record: Record, reason: DeadLetterReason, error: str) -> None:
        """What ran under a grant has failed for good: it needs a claim, which its failure can end."""
        record.proven = False
        record.result = rejected(error, reason)
        record.stage = Stage.ASKED
        self._again.append(record)

    def choose(self, unit_size: int, most: int | None = None) -> list[Record]:
        """Records to ask the ledger for, as few as keep the workers busy.

        Args:
            unit_size: events that a worker takes at once.
            most: new ones at most; what was asked for before is asked again whatever it says.
        """
        lanes = self._state.lanes
        chosen: list[Record] = []
        void: list[Record] = []
        for record in self._again:
            if record.stage is not Stage.ASKED:
                self._unpark(record)
            elif record.epoch == record.partition.epoch:
                chosen.append(record)
            else:
                void.append(record)
        self._again.clear()
        self._void(void)
        count = self._ahead.limit - lanes.claimed - len(chosen) - len(self._passing)
        for record in lanes.to_claim(count if most is None else min(count, most), max(2, 2 * unit_size)):
            if record.stage is not Stage.WAITING:
                continue
            record.stage = Stage.ASKED
            (self._passing if record.claimless else chosen).append(record)
        if not chosen:
            self._let_pass()
        return chosen

    def unanswered(self, records: Sequence[Record]) -> None:
        """The ledger did not answer: ask for these again, first."""
        self._again.extend(records)

    def bypass(self, records: Sequence[Record]) -> None:
        """The ledger is away and the inbox alone decides: let these start."""
        void: list[Record] = []
        for record in records:
            partition = record.partition
            if record.stage is not Stage.ASKED:
                continue
            if partition.active and record.epoch == partition.epoch:
                self._grant(record)
            else:
                void.append(record)
        self._void(void)
        self._let_pass()
        self._unpark_answered(records)

    def answered(
        self, asked: Sequence[Record], fenced: frozenset[Partition], result: ExchangeResult, floor: int
    ) -> list[Record]:
        """Act on an answer.

        Args:
            asked: for a claim, or, proven new, for a grant; in their order, which lanes must keep.
            fenced: partitions that another process has by now.
            result: the ledger's answer, its claims in the order of those that asked for one.
            floor: events that workers have room for.

        Returns:
            Records that were given up meanwhile and whose claims must be released.
        """
        lanes = self._state.lanes
        self._ahead.answered(lanes.claimed, floor, more=lanes.has_unclaimed)
        gone: list[Record] = []
        void: list[Record] = []
        if self._parking is not None:
            self._parking.answered(result.lines)
        claims = iter(enumerate(result.claims))
        for record in asked:
            row, found = (-1, _of_grant(record, fenced, result)) if record.proven else next(claims)
            partition = record.partition
            if record.stage is not Stage.ASKED:
                if record.stage is Stage.DROPPED and not record.proven:
                    gone.append(record)  # else an earlier attempt ended DONE after all, which ends the claim
            elif (
                found == ClaimOutcome.SESSION_OVER or not partition.active or record.epoch != partition.epoch
            ):
                void.append(record)
            elif found == ClaimOutcome.NEW:
                self._new(record)
            else:
                self._judge(record, ClaimOutcome(found), result.histories.get(row))
        self._void(void)
        self._let_pass()
        self._unpark_answered(asked)
        if result.session is not SessionStatus.ALIVE or result.lost:
            self._session_over(result.lost)  # takes back what was granted, too
        return gone

    def _void(self, asked: list[Record]) -> None:
        """These were asked for under an epoch that is over: they wait, behind what was taken back before."""
        for record in asked:
            record.stage = Stage.WAITING
        self._state.lanes.requeue(asked)
        for record in asked:
            self._unpark(record)

    def _let_pass(self) -> None:
        """In Observe what needs no claim starts too, but not before what came before it has its claim."""
        passing, self._passing = self._passing, []
        for record in passing:
            if record.stage is Stage.ASKED:
                self._grant(record)

    def _new(self, record: Record) -> None:
        if record.proven:
            self._grant(record)
            return
        if record.offset <= record.partition.granted_before and not record.replay:
            record.attempt, record.crashes = max(record.attempt, 1), max(record.crashes, 1)
            self._taken_over(record, exhausted=False)
            return
        suspected = record.suspected and record.partition.seen is not None
        if suspected:
            record.partition.seen.record_false_hit()  # type: ignore[union-attr]
        lost = suspected and time.monotonic() < self._state.lost_until
        if lost or record.offset < record.partition.doubt_end:
            self._report.in_doubt(record)
        self._grant(record)

    def _grant(self, record: Record) -> None:
        record.stage = Stage.CLAIMED
        result = record.result
        if result is not None and result.final and not self._observe:
            self._write(record, result.reason, result.error)  # no usable id: no handler would help
            return
        record.result = None
        if self._parking is not None and not self._observe and self._parking.waits(record):
            self._parking.follow(record)
            return
        if self._parked or self._observe:
            self._state.lanes.start_in_order(record)
        else:
            self._state.lanes.start(record)

    def _judge(self, record: Record, found: ClaimOutcome, history: History | None) -> None:
        if history is not None:
            record.attempt, record.crashes = max(record.attempt, history.attempt), history.crashes
            record.unknown = record.unknown or history.unknown
        if found in _ASK_AGAIN:
            self._ask_later(record)
        elif self._observe:
            self._watch(record, found)
        elif found in _DUPLICATES:
            self._duplicate(record, found)
        elif found is ClaimOutcome.CONFLICT:
            self._state.local.let_go([record.key])
            record.claimless = True
            self._letters.write(record, DeadLetterReason.CONFLICT, CONFLICT)
        elif found in _OWNER_LOST:
            self._taken_over(record, exhausted=found is ClaimOutcome.EXHAUSTED)
        else:
            if found is ClaimOutcome.REPLAY:
                record.attempt = 0  # a replay is a new chance, not the next attempt
            self._grant(record)

    def _watch(self, record: Record, found: ClaimOutcome) -> None:
        """Count what would be rejected, and let it pass."""
        if found in _DUPLICATES:
            self._report.decided(Decision.DUPLICATE, Gate.LEDGER, 1, record.event_id)
        if found in _OWNER_LOST:
            self._report_taken_over(record)
        if not found.held:
            self._state.local.let_go([record.key])
            record.claimless = True
        self._grant(record)

    def _taken_over(self, record: Record, *, exhausted: bool) -> None:
        text = self._report_taken_over(record)
        if exhausted or self._on_unknown is OnUnknown.DEAD_LETTER:
            if self._parking is None:
                self._letters.write(record, DeadLetterReason.UNKNOWN_OUTCOME, text)
                return
            record.result = rejected(text, DeadLetterReason.UNKNOWN_OUTCOME)
            record.stage = Stage.CLAIMED
            self._state.lanes.start_in_order(record)  # its letter must not overtake what comes before it
        else:
            self._grant(record)

    def bury(self, doomed: list[Record]) -> None:
        """Write the letters of records whose turn has come; the list is emptied."""
        for record in doomed:
            if (end := record.result) is not None:
                self._write(record, end.reason, end.error)
        self._state.lanes.release(doomed)
        doomed.clear()

    def _report_taken_over(self, record: Record) -> str:
        text = f"an owner's session ended between claim and DONE; owners lost so far: {record.crashes}"
        record.unknown = True
        self._report.unknown_outcome(record, UnknownCause.OWNER_DIED, text)
        return text

    def _duplicate(self, record: Record, found: ClaimOutcome) -> None:
        if record.suspected and record.partition.seen is not None:
            record.partition.seen.record_true_hit()
        self._report.decided(Decision.DUPLICATE, Gate.LEDGER, 1, record.event_id)
        if found is ClaimOutcome.DUPLICATE:
            if self._parking is not None and self._parking.stands_in_line(record):
                self._parking.leave(record)
                return
            self._state.done([record])  # the next copy needs no network
        else:
            self._state.local.let_go([record.key])
            self._state.finish([record])

    def _ask_later(self, record: Record) -> None:
        """Another owner has it, or we were fenced: its lane waits until we asked again and were answered."""
        if record not in self._parked:
            self._parked.add(record)
            self._state.lanes.block(record)
        self._timers.after(_ASK_AGAIN_SECONDS, self._ask_again, record)

    def _ask_again(self, record: Record) -> None:
        if record.stage is Stage.ASKED and record in self._parked:
            self._again.append(record)
        else:
            self._unpark(record)

    def _unpark_answered(self, asked: Sequence[Record]) -> None:
        for record in asked if self._parked else ():
            if record.stage is not Stage.ASKED or record.finished:
                self._unpark(record)

    def _unpark(self, record: Record) -> None:
        if record in self._parked:
            self._parked.remove(record)
            self._state.lanes.unblock(record)


def _of_grant(record: Record, fenced: frozenset[Partition], result: ExchangeResult) -> ClaimOutcome:
    """What an answer says of a record that needs no claim of its own."""
    if result.session is not SessionStatus.ALIVE:
        return ClaimOutcome.SESSION_OVER
    return ClaimOutcome.FENCED if record.partition in fenced else ClaimOutcome.NEW
