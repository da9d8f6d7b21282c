from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from doublegate.contract.work_spec import RetrySpec
from doublegate.runtime.retry import backoff

SPEC = RetrySpec.model_validate({"initialBackoff": "200ms", "maxBackoff": "5s"})


@settings(deadline=None)
@given(attempt=st.integers(1, 1000))
def test_doubles_to_its_limit_with_jitter(attempt: int) -> None:
    step = min(5.0, 0.2 * 2.0 ** min(attempt - 1, 20))
    assert step / 2 <= backoff(SPEC, attempt) <= step


@settings(deadline=None)
@given(attempt=st.integers(1, 10), wanted=st.floats(0, 100))
def test_the_handlers_wish_is_the_least(attempt: int, wanted: float) -> None:
    assert backoff(SPEC, attempt, wanted) >= wanted


def test_those_that_failed_together_do_not_come_back_together() -> None:
    assert len({backoff(SPEC, 3) for _ in range(20)}) > 10
