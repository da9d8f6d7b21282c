"""What follows an attempt: pure policy."""

from dataclasses import dataclass

from doublegate.contract.deadletter import DeadLetterReason
from doublegate.contract.gate_spec import OnUnknown
from doublegate.contract.work_spec import RetrySpec
from doublegate.runtime.outcome import Attempt, Outcome
from doublegate.runtime.record import Record
from doublegate.runtime.retry import backoff

__all__ = ["DeadLetterIt", "TryAgain", "after"]

_WAIT_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class TryAgain:
    """Try the record again after `seconds`; its lane waits for it."""

    seconds: float


@dataclass(frozen=True, slots=True)
class DeadLetterIt:
    """No attempt is left, or none would help."""

    reason: DeadLetterReason
    error: str


def after(
    record: Record, attempt: Attempt, retries: RetrySpec, on_unknown: OnUnknown
) -> TryAgain | DeadLetterIt:
    """What follows an attempt that did not end DONE.

    An outcome that was unknown once stays so: if a later attempt fails for good, the first may still have
    performed the effect, and the dead letter says `unknown_outcome`.
    """
    if attempt.wait:
        return TryAgain(attempt.retry_after or _WAIT_SECONDS)
    unknown = record.unknown or attempt.outcome is Outcome.UNKNOWN
    exhausted = attempt.final or record.attempt >= retries.attempts
    if attempt.outcome is Outcome.UNKNOWN and on_unknown is OnUnknown.DEAD_LETTER:
        exhausted = True
    if exhausted:
        reason = DeadLetterReason.UNKNOWN_OUTCOME if unknown else attempt.reason
        return DeadLetterIt(reason, attempt.error)
    return TryAgain(backoff(retries, record.attempt, attempt.retry_after))
