"""The words of the protocol that every part shares: entry states, decisions, gates, causes."""

from enum import StrEnum, auto


class EntryState(StrEnum):
    """What the ledger says of one key."""

    CLAIMED = auto()
    DONE = auto()
    FAILED = auto()


class Decision(StrEnum):
    """What was decided about one record; the `decision` label of `doublegate_events_total`."""

    DONE = auto()
    """Its effect was performed here."""
    DUPLICATE = auto()
    """Proven to be a second copy of an event that is DONE, in flight, or a dead letter."""
    DEAD_LETTER = auto()
    """Its dead letter was acknowledged."""


class Gate(StrEnum):
    """Who decided; the `gate` label of `doublegate_events_total`, cheapest first."""

    COMMIT = auto()
    """The finished offsets that travel in the commit's metadata."""
    WATERMARK = auto()
    """At or below the highest contiguous finished position."""
    INFLIGHT = auto()
    """An id that this process works on right now."""
    MEMORY = auto()
    """Exact memory of acknowledged DONE ids."""
    LEDGER = auto()
    """The claim in Redis or Valkey."""
    INBOX = auto()
    """The unique row in PostgreSQL."""
    HANDLER = auto()
    """No gate stopped it: the handler's outcome decided."""
    PAYLOAD = auto()
    """The record itself: no usable id, or a payload that does not decode."""


class UnknownCause(StrEnum):
    """Why nobody can say whether an effect happened; the `cause` of `doublegate_unknown_outcomes_total`."""

    OWNER_DIED = auto()
    """A claim whose owner's session ended between effect and DONE."""
    TIMEOUT = auto()
    """The handler outlived `handler.timeout`."""
    EXCEPTION = auto()
    """The handler raised something other than Retry or Reject, and is not declared idempotent."""
    DOWNSTREAM = auto()
    """The far side's answer was lost (read timeout, reset, 5xx after send)."""
    COMMIT_LOST = auto()
    """The answer to a database COMMIT was lost and could not be read back."""


class PauseCause(StrEnum):
    """Why partitions are paused; the `cause` label of `doublegate_paused`."""

    RESERVOIR = auto()
    LEDGER = auto()
    BREAKER = auto()
    DLQ = auto()
    ASSIGNMENT = auto()
    SPEC = auto()
