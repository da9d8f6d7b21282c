"""What the ledger answers, row by row: small numbers, as they come from the scripts."""

from enum import IntEnum

__all__ = ["ClaimOutcome", "CompletionOutcome", "FailureOutcome", "SessionStatus"]


class SessionStatus(IntEnum):
    """What the ledger says of an owner's lease."""

    ALIVE = 0
    EXPIRED = 1
    """Paused for too long: others may have taken over its claims. Register again."""
    LOST = 2
    """The server lost data: its lease, or the marker of its data, is gone. Re-assert."""


class ClaimOutcome(IntEnum):
    """What a claim found; the rows of the design's table."""

    NEW = 0
    """Nothing was there. Held: go."""
    RESUMED = 1
    """The same owner's claim on the same record (a lost reply). Held; its history says if it is unknown."""
    TAKEN_OVER = 2
    """Its owner's session is over. Held, and unknown: `onUnknown` decides."""
    EXHAUSTED = 3
    """TAKEN_OVER once more than `retries.crashes`. Held, to be failed as `unknown_outcome`."""
    REPLAY = 4
    """A dead letter is replayed. Held, with its history."""
    PARK = 5
    """Another live owner works on it; ask again later."""
    DUPLICATE_IN_FLIGHT = 6
    """A live owner works on it at another position, which is not committed. Advance."""
    DUPLICATE = 7
    """It is DONE. Advance."""
    DUPLICATE_OF_DEAD_LETTER = 8
    """It is FAILED, and this is no replay of it. Advance."""
    CONFLICT = 9
    """Same id, other payload. Dead-letter this record; the entry is untouched."""
    FENCED = 10
    """The assignment's epoch is not the newest: another process owns the partition. Drop."""
    SESSION_OVER = 11
    """This owner's lease is over or lost (`ExchangeResult.session` says which). Nothing was claimed."""
    REFUSED = 12
    """The server is at full memory (`LedgerFull`). Nothing was claimed."""

    @property
    def held(self) -> bool:
        """Whether the row is now this owner's to work on."""
        return self <= ClaimOutcome.REPLAY


class CompletionOutcome(IntEnum):
    """What DONE ended; it stands in every case except CONFLICT."""

    OWN = 0
    """This owner's claim."""
    ALREADY = 1
    """It was DONE: a lost reply, or a second effect if this was the first try."""
    LATE = 2
    """Another owner's claim."""
    AFTER_FAILED = 3
    """A FAILED entry: its dead letter is superfluous."""
    MISSING = 4
    """No entry: the ledger lost the claim. Not reported of `Completions.granted`."""
    CONFLICT = 5
    """It is DONE with another payload; that one stands."""


class FailureOutcome(IntEnum):
    """What a failure or a release met."""

    OK = 0
    ALREADY = 1
    """The entry is FAILED (a failure), or gone (a release)."""
    DONE = 2
    """It is DONE meanwhile, which stands."""
    FENCED = 3
    """The claim is not this owner's under this epoch any more; untouched."""
    MISSING = 4
    """No entry to fail: the ledger lost the claim. Re-assert, then fail again."""
