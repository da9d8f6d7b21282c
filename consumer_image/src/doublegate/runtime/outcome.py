"""How an attempt ends: Done, NotDone or Unknown, and what a handler raises to say so.

Only NotDone is retried freely. An outcome is Unknown when nobody here can say whether the effect
happened; it is counted, named and handled by `ledger.onUnknown`.
"""

from dataclasses import dataclass
from enum import Enum, auto

from doublegate.contract.deadletter import DeadLetterReason
from doublegate.contract.states import UnknownCause

__all__ = ["Attempt", "Outcome", "Reject", "Retry", "Unknown", "done", "not_done", "rejected", "unknown"]


class Retry(Exception):
    """The effect did not happen; try again.

    Args:
        why: for the log and, when the attempts are used up, for the dead letter.
        after: seconds to wait at least; the backoff decides when absent.
    """

    def __init__(self, why: str, *, after: float | None = None) -> None:
        super().__init__(why)
        self.after = after


class Reject(Exception):
    """The effect did not happen and never will: dead-letter the event now."""


class Unknown(Exception):
    """The effect may have happened: the far side's answer was lost."""


class Outcome(Enum):
    """The three ends of an attempt."""

    DONE = auto()
    NOT_DONE = auto()
    UNKNOWN = auto()


@dataclass(frozen=True, slots=True)
class Attempt:
    """The end of one attempt at one event.

    Attributes:
        outcome: what is known of the effect.
        error: cause and message, for log and dead letter; empty when done.
        final: no further attempt may help (a `Reject`, a payload that does not decode).
        retry_after: seconds that the handler asked to wait, if it did.
        cause: why it is unknown, for UNKNOWN.
        reason: the dead letter's reason when this attempt is the last.
        duplicate: the inbox had the event already; nothing was done here.
        wait: not the event's fault (a registry or database away): try again without using up an attempt.
    """

    outcome: Outcome
    error: str = ""
    final: bool = False
    retry_after: float | None = None
    cause: UnknownCause | None = None
    reason: DeadLetterReason = DeadLetterReason.FAILED
    duplicate: bool = False
    wait: bool = False


_DONE = Attempt(Outcome.DONE)


def done() -> Attempt:
    """The effect happened."""
    return _DONE


def not_done(error: str, *, retry_after: float | None = None, wait: bool = False) -> Attempt:
    """Proven not to have happened; another attempt may help."""
    return Attempt(Outcome.NOT_DONE, error, retry_after=retry_after, wait=wait)


def rejected(error: str, reason: DeadLetterReason = DeadLetterReason.FAILED) -> Attempt:
    """Proven not to have happened, and no attempt will help."""
    return Attempt(Outcome.NOT_DONE, error, final=True, reason=reason)


def unknown(error: str, cause: UnknownCause) -> Attempt:
    """May have happened."""
    return Attempt(Outcome.UNKNOWN, error, cause=cause, reason=DeadLetterReason.UNKNOWN_OUTCOME)
