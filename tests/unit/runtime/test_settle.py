from __future__ import annotations

from doublegate.contract.deadletter import DeadLetterReason
from doublegate.contract.gate_spec import OnUnknown
from doublegate.contract.states import UnknownCause
from doublegate.contract.work_spec import RetrySpec
from doublegate.runtime.outcome import Attempt, not_done, rejected, unknown
from doublegate.runtime.settle import DeadLetterIt, TryAgain, after
from tests.unit.runtime.records import partition, record

RETRIES = RetrySpec(attempts=3)
FAILED, UNKNOWN = DeadLetterReason.FAILED, DeadLetterReason.UNKNOWN_OUTCOME


def follows(
    attempt: Attempt, number: int = 1, *, marked: bool = False, on: OnUnknown = OnUnknown.RETRY
) -> DeadLetterIt | TryAgain:
    one = record(partition(), 0)
    one.attempt, one.unknown = number, marked
    return after(one, attempt, RETRIES, on)


def test_not_done_is_tried_again_until_attempts_are_used_up() -> None:
    assert isinstance(follows(not_done("busy"), 2), TryAgain)
    assert follows(not_done("busy"), 3) == DeadLetterIt(FAILED, "busy")


def test_rejected_is_final_and_keeps_its_reason() -> None:
    assert follows(rejected("no")) == DeadLetterIt(FAILED, "no")
    assert follows(rejected("bad", DeadLetterReason.SCHEMA)) == DeadLetterIt(DeadLetterReason.SCHEMA, "bad")


def test_waiting_uses_up_no_attempt() -> None:
    assert follows(not_done("registry", wait=True), 99) == TryAgain(1.0)
    assert follows(not_done("registry", wait=True, retry_after=7.0), 99) == TryAgain(7.0)


def test_unknown_is_tried_again_or_left_to_a_person() -> None:
    lost = unknown("timeout", UnknownCause.TIMEOUT)
    assert isinstance(follows(lost), TryAgain)
    assert follows(lost, on=OnUnknown.DEAD_LETTER) == DeadLetterIt(UNKNOWN, "timeout")
    assert follows(lost, 3) == DeadLetterIt(UNKNOWN, "timeout")


def test_what_was_unknown_once_stays_so() -> None:
    assert follows(rejected("no"), marked=True) == DeadLetterIt(UNKNOWN, "no")
    assert follows(not_done("busy"), 3, marked=True) == DeadLetterIt(UNKNOWN, "busy")


def test_the_handlers_wish_delays() -> None:
    step = follows(not_done("busy", retry_after=60.0))
    assert isinstance(step, TryAgain)
    assert step.seconds >= 60.0
