from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from doublegate.contract.token_bucket import TokenBucket


@given(st.floats(0.1, 1e5), st.lists(st.floats(0, 0.5), min_size=1, max_size=200))
def test_never_more_than_the_rate_and_one_burst(rate: float, pauses: list[float]) -> None:
    bucket, now, taken = TokenBucket(), 100.0, 0
    for pause in pauses:
        now += pause
        taken += bucket.take(rate, now) == 0
    assert taken <= max(1.0, rate * 0.1) + rate * (now - 100.0) + 1e-6


@given(st.floats(0.1, 1e5))
def test_who_waits_as_told_gets_a_token(rate: float) -> None:
    bucket, now = TokenBucket(), 0.0
    for _ in range(300):
        while wait := bucket.take(rate, now):
            now += wait + 1e-9
    assert now <= 300 / rate + 1e-3


def test_another_rate_counts_at_once() -> None:
    bucket = TokenBucket()
    assert bucket.take(0.01, 0.0) == 0
    assert bucket.take(0.01, 0.0) == 100.0
    assert bucket.take(1000.0, 0.001) == pytest.approx(0.0)
    assert bucket.take(0.01, 0.001) == 100.0


def test_looking_takes_nothing() -> None:
    bucket = TokenBucket()
    assert bucket.wait(1.0, 0.0) == bucket.wait(1.0, 0.0) == 0
    assert bucket.take(1.0, 0.0) == 0
    assert bucket.wait(1.0, 0.5) == 0.5
