"""The loop in steps of time: a group, its signals two intervals late, and producers that follow them."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from doublegate.contract.flow_board import FlowBoard
from doublegate.contract.flow_signal import GAIN, INTERVAL
from tests.benchmarks.flow.turns import turns
from tests.unit.contract.flow import signal

STEP = 0.1
DELAY = 2 * INTERVAL
TARGET = 20.0


def lags(
    capacity: Callable[[float], float],
    *,
    seconds: float,
    wish: float,
    lag: float = 0.0,
    producers: int = 1,
    gone_at: float = float("inf"),
) -> tuple[list[float], list[float]]:
    """The lag and the rate of all producers together at each step."""
    board, late = FlowBoard(), deque[tuple[float, float, float]]()
    lag_curve, rate_curve, next_word = [], [], 0.0
    for step in range(int(seconds / STEP)):
        now = step * STEP
        if now >= next_word and now < gone_at:
            next_word += INTERVAL
            late.append((now, lag, capacity(now)))
        while late and late[0][0] + DELAY <= now:
            at, then, able = late.popleft()
            board.take(signal(lag=int(then), capacity=able, target=TARGET, at=at, expires=at + 10.0), now)
        said = board.suggestions(now).get("payments")
        each = wish / producers if said is None or said.rate is None else min(wish / producers, said.rate)
        lag = max(0.0, lag + (each * producers - capacity(now)) * STEP)
        lag_curve.append(lag)
        rate_curve.append(each * producers)
    return lag_curve, rate_curve


@settings(max_examples=40, deadline=None)
@given(capacity=st.floats(20, 5000), wish=st.floats(1.2, 20), start=st.floats(0, 2.5))
def test_the_lag_comes_to_its_target_and_stays(capacity: float, wish: float, start: float) -> None:
    curve, rates = lags(lambda _: capacity, seconds=600, wish=wish * capacity, lag=start * capacity * TARGET)
    goal = capacity * TARGET
    assert curve[-1] == pytest.approx(goal, rel=0.03)
    assert rates[-1] == pytest.approx(capacity, rel=0.03)
    tail = curve[-600:]
    assert max(tail) - min(tail) < 0.02 * goal
    # One way up, and one down where the first seconds without a word let too much in.
    assert turns(curve, ripple=0.02 * goal) <= 2


def test_from_afar_it_comes_down_without_falling_below() -> None:
    curve, rates = lags(lambda _: 100.0, seconds=600, wish=10_000.0)
    peak = curve.index(max(curve))
    assert min(curve[peak:]) > 0.98 * 100 * TARGET
    assert turns(curve, ripple=20) == 1
    assert min(rates) == pytest.approx(5.0)


def test_a_producer_slower_than_the_group_is_left_alone() -> None:
    curve, rates = lags(lambda _: 100.0, seconds=200, wish=80.0)
    assert max(curve) == 0
    assert set(rates) == {80.0}


def test_when_the_capacity_falls_and_returns_so_does_the_rate() -> None:
    def capacity(now: float) -> float:
        return 10.0 if 200 <= now < 400 else 100.0

    curve, rates = lags(capacity, seconds=800, wish=1000.0)
    at = {second: rates[int(second / STEP)] for second in (195, 395, 795)}
    assert at[195] == pytest.approx(100, rel=0.05)
    assert at[395] < 12
    assert at[795] == pytest.approx(100, rel=0.05)
    assert curve[-1] == pytest.approx(100 * TARGET, rel=0.05)


def test_a_group_that_vanished_is_forgotten() -> None:
    _, rates = lags(lambda _: 100.0, seconds=200, wish=1000.0, gone_at=100.0)
    assert rates[int(100 / STEP)] < 200
    assert rates[int(114 / STEP)] == 1000.0


@pytest.mark.parametrize("producers", [2, 5, 15])
def test_several_producers_settle_at_a_longer_drain(producers: int) -> None:
    """Each writes the suggested rate: the drain that makes it 1/n of the capacity is where they meet."""
    curve, rates = lags(lambda _: 100.0, seconds=900, wish=5000.0, producers=producers)
    drain = TARGET * (1 + (1 - 1 / producers) / GAIN)
    assert curve[-1] == pytest.approx(100 * drain, rel=0.05)
    assert sum(rates[-100:]) / 100 == pytest.approx(100, rel=0.05)
