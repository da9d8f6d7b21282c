"""The design's table as pure functions: what a step finds, what it answers, what stands afterwards."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import Enum, auto
from typing import Final

from doublegate.contract.states import EntryState
from doublegate.gate.ledger_types import (
    NO_DIGEST,
    ClaimOutcome,
    CompletionOutcome,
    FailureOutcome,
    History,
    Position,
)

__all__ = ["Bid", "Former", "Record", "claim", "complete", "fail", "hold", "release"]

MOST: Final = 255


class Former(Enum):
    """What a release goes back to."""

    NOTHING = auto()
    FAILED = auto()
    CLAIMED = auto()


@dataclass(frozen=True, slots=True)
class Record:
    """One entry of the model; `lasting` DONE lives as long as the DLQ, `failed_at` is a replay's way back."""

    state: EntryState
    digest: bytes
    owner: bytes | None = None
    epoch: int = 0
    position: Position | None = None
    attempt: int = 0
    crashes: int = 0
    unknown: bool = False
    former: Former = Former.NOTHING
    failed_at: Position | None = None
    lasting: bool = False


@dataclass(frozen=True, slots=True)
class Bid:
    """One row that wants the entry."""

    owner: bytes
    epoch: int
    position: Position
    digest: bytes
    replay: bool = False
    unknown: bool = False

    def record(self) -> Record:
        """The claim where nothing was before."""
        claimed = Record(EntryState.CLAIMED, self.digest, self.owner, self.epoch, self.position)
        if self.unknown:  # a former owner's grant covers it, so its effect may have happened
            return replace(claimed, attempt=1, crashes=1, unknown=True, former=Former.CLAIMED)
        return claimed


Claimed = tuple[ClaimOutcome, Record | None]
Alive = Callable[[bytes], bool]


def history(record: Record) -> History:
    """What a held claim inherits."""
    return History(record.attempt, record.crashes, record.unknown)


def _same(one: bytes, other: bytes) -> bool:
    return one == other or NO_DIGEST in (one, other)


def claim(found: Record | None, bid: Bid, alive: Alive, crashes: int) -> Claimed:
    """What a claim meets, and the record that stands afterwards."""
    if found is None:
        return ClaimOutcome.NEW, bid.record()
    if found.state is EntryState.DONE:
        same = _same(found.digest, bid.digest)
        return (ClaimOutcome.DUPLICATE if same else ClaimOutcome.CONFLICT), found
    if found.state is EntryState.FAILED:
        return _claim_failed(found, bid)
    same_record = found.position == bid.position
    if not same_record and not _same(found.digest, bid.digest):
        return ClaimOutcome.CONFLICT, found
    if same_record and found.owner == bid.owner:
        exhausted = found.former is Former.CLAIMED and found.crashes > crashes
        return (ClaimOutcome.EXHAUSTED if exhausted else ClaimOutcome.RESUMED), replace(
            found, epoch=bid.epoch
        )
    return _claim_of_another(found, bid, alive, crashes)


def _claim_of_another(found: Record, bid: Bid, alive: Alive, crashes: int) -> Claimed:
    """Another owner's claim, or this owner's on another record."""
    if found.owner is None or (found.owner != bid.owner and not alive(found.owner)):
        return _take_over(found, bid, crashes)
    waits = found.position == bid.position or bid.replay
    return (ClaimOutcome.PARK if waits else ClaimOutcome.DUPLICATE_IN_FLIGHT), found


def _claim_failed(found: Record, bid: Bid) -> Claimed:
    if found.position == bid.position:
        return ClaimOutcome.DUPLICATE_OF_DEAD_LETTER, found
    if not _same(found.digest, bid.digest):
        return ClaimOutcome.CONFLICT, found
    if not bid.replay:
        return ClaimOutcome.DUPLICATE_OF_DEAD_LETTER, found
    return ClaimOutcome.REPLAY, replace(
        bid.record(),
        attempt=found.attempt,
        crashes=found.crashes,
        unknown=found.unknown,
        former=Former.FAILED,
        failed_at=found.position,
    )


def _take_over(found: Record, bid: Bid, crashes: int) -> Claimed:
    died = int(found.owner is not None)
    record = replace(
        bid.record(),
        attempt=min(found.attempt + died, MOST),
        crashes=min(found.crashes + died, MOST),
        unknown=True,
        former=Former.CLAIMED,
    )
    return (ClaimOutcome.EXHAUSTED if record.crashes > crashes else ClaimOutcome.TAKEN_OVER), record


def complete(found: Record | None, owner: bytes, digest: bytes) -> tuple[CompletionOutcome, Record]:
    """DONE is a fact: what it ends, and what stands."""
    done = Record(EntryState.DONE, digest)
    if found is None:
        return CompletionOutcome.MISSING, done
    if found.state is EntryState.FAILED:
        return CompletionOutcome.AFTER_FAILED, replace(done, lasting=True)
    if found.state is EntryState.DONE:
        if _same(found.digest, digest):
            return CompletionOutcome.ALREADY, replace(done, lasting=found.lasting)
        return CompletionOutcome.CONFLICT, found
    lasting = found.unknown or found.former is not Former.NOTHING
    outcome = CompletionOutcome.OWN if found.owner == owner else CompletionOutcome.LATE
    return outcome, replace(done, lasting=lasting)


def fail(
    found: Record | None, mine: Bid, attempt: int, *, unknown: bool
) -> tuple[FailureOutcome, Record | None]:
    """FAILED by who claimed it, under the epoch and in the partition it was claimed in."""
    refusal = _refused(found, mine)
    if found is None or refusal is not None:
        return (FailureOutcome.MISSING if refusal is None else refusal), found
    return FailureOutcome.OK, Record(
        EntryState.FAILED,
        found.digest,
        position=found.position,
        attempt=min(attempt, MOST),
        crashes=found.crashes,
        unknown=unknown or found.unknown,
    )


def release(found: Record | None, mine: Bid, *, unknown: bool) -> tuple[FailureOutcome, Record | None]:
    """Give a claim back: the former state, or a claim of nobody after an unknown attempt."""
    if found is None or (found.state is EntryState.CLAIMED and found.owner is None):
        return FailureOutcome.ALREADY, found
    refusal = _refused(found, mine)
    if refusal is not None:
        return refusal, found
    if unknown or found.former is Former.CLAIMED:
        return FailureOutcome.OK, replace(
            found,
            owner=None,
            unknown=True,
            former=Former.CLAIMED,
            failed_at=None,
            attempt=min(found.attempt + int(unknown), MOST),
        )
    if found.former is Former.FAILED:
        return FailureOutcome.OK, Record(
            EntryState.FAILED,
            found.digest,
            position=found.failed_at,
            attempt=found.attempt,
            crashes=found.crashes,
            unknown=found.unknown,
        )
    return FailureOutcome.OK, None


def hold(found: Record | None, bid: Bid, alive: Alive, *, unknown: bool) -> Record | None:
    """Put a claim back after a loss; None when it is finished, or another live owner has it.

    An older claim of ours gets today's epoch. An older epoch's claim on the same record is replaced: its
    owner has given it up, or will.
    """
    if found is not None:
        if found.state is EntryState.DONE:
            return None
        if found.state is EntryState.CLAIMED:
            same_record = found.position == bid.position
            if found.owner == bid.owner and same_record:
                return replace(found, epoch=bid.epoch)
            taken = found.owner not in (None, bid.owner) and alive(found.owner or b"")
            if taken and not (same_record and found.epoch < bid.epoch):
                return None
    former = Former.CLAIMED if unknown else Former.NOTHING
    return replace(bid.record(), unknown=unknown, former=former)


def _refused(found: Record | None, mine: Bid) -> FailureOutcome | None:
    if found is None:
        return None
    if found.state is EntryState.FAILED:
        return FailureOutcome.ALREADY
    if found.state is EntryState.DONE:
        return FailureOutcome.DONE
    position = found.position
    own = (
        found.owner == mine.owner
        and found.epoch == mine.epoch
        and position is not None
        and (position.topic, position.partition) == (mine.position.topic, mine.position.partition)
    )
    return None if own else FailureOutcome.FENCED
