from __future__ import annotations

import pytest

from doublegate.contract.work_spec import ConcurrencySpec
from doublegate.runtime.pace import ClaimAhead, Concurrency


def made(low: int = 1, high: int = 16, *, batch: bool = False) -> Concurrency:
    return Concurrency(ConcurrencySpec(min=low, max=high), batch=batch)


def test_grows_while_every_place_is_used() -> None:
    pace = made()
    for _ in range(500):
        pace.ended(0.05, 1, pace.limit, trouble=False)
    assert pace.limit == 16


def test_stays_where_places_are_free() -> None:
    pace = made(2)
    for _ in range(200):
        pace.ended(0.05, 1, 1, trouble=False)
    assert pace.limit == 2


def test_a_quick_handler_needs_no_more_threads_but_larger_units() -> None:
    pace = made()
    assert pace.unit_size == 1
    for _ in range(200):
        pace.ended(0.0001 * 10, 10, pace.limit, trouble=False)
    assert pace.limit == 1
    assert pace.unit_size == 200


def test_shrinks_on_trouble_and_on_slowness_but_not_below_its_minimum() -> None:
    pace = grown(made(2, 16))
    for _ in range(8):
        pace.ended(0.05, 1, pace.limit, trouble=True)
    assert 12 <= pace.limit < 16
    for _ in range(100):
        pace.ended(0.05, 1, pace.limit, trouble=True)
    assert pace.limit == 2
    pace = grown(made(2, 16))
    for _ in range(60):
        pace.ended(0.5, 1, pace.limit, trouble=False)
    assert 2 <= pace.limit <= 8


def grown(pace: Concurrency, seconds: float = 0.05) -> Concurrency:
    for _ in range(3000):
        pace.ended(seconds, 1, pace.limit, trouble=False)
    return pace


def test_one_pause_of_the_machine_is_one_cut_and_not_one_for_each_call_that_it_held_up() -> None:
    pace = grown(made(1, 64))
    for _ in range(pace.limit):
        pace.ended(1.05, 1, 64, trouble=False)
    assert pace.limit >= 45
    calls = 0
    while pace.limit < 64:
        pace.ended(0.05, 1, pace.limit, trouble=False)
        calls += 1
    assert calls < 64 * 64


@pytest.mark.parametrize("seconds", [0.001, 0.003, 30.0])
def test_what_failed_calls_took_is_no_measure_of_those_that_work(seconds: float) -> None:
    pace = grown(made(), 0.12)
    for _ in range(500):
        pace.ended(seconds, 1, pace.limit, trouble=True)
    assert pace.limit == 1
    assert pace.latency == pytest.approx(0.12)
    rounds = 0
    while pace.limit < 8:
        for _ in range(pace.limit):
            pace.ended(0.12, 1, pace.limit, trouble=False)
        rounds += 1
    assert rounds <= 20


def test_a_few_failures_among_many_calls_leave_the_limit_where_it_is() -> None:
    pace = grown(made(1, 32))
    for n in range(3000):
        pace.ended(0.05, 1, pace.limit, trouble=n % 50 == 0)
    assert pace.limit >= 31


@pytest.mark.parametrize("most", [8, 32, 128])
def test_ten_times_the_latency_lowers_the_limit_before_it_is_the_new_normal(most: int) -> None:
    pace = grown(made(1, most), 0.1)
    lowest, rounds = most, 0
    while pace.limit < most or lowest == most:
        for _ in range(pace.limit):
            pace.ended(1.0, 1, pace.limit, trouble=False)
        lowest = min(lowest, pace.limit)
        rounds += 1
    assert lowest <= most // 4
    assert rounds <= 100 + 2 * most


def test_a_far_side_that_became_slower_for_good_is_the_new_normal() -> None:
    pace = made()
    for _ in range(500):
        pace.ended(0.05, 1, pace.limit, trouble=False)
    for _ in range(2000):
        pace.ended(0.3, 1, pace.limit, trouble=False)
    assert pace.limit == 16


def test_nothing_ended_says_nothing() -> None:
    pace = made()
    pace.ended(0.0, 0, 1, trouble=True)
    assert pace.latency is None


def test_claims_ahead_follow_need() -> None:
    ahead = ClaimAhead()
    first = ahead.limit
    ahead.answered(0, 0, more=True)
    assert ahead.limit == 2 * first
    for _ in range(30):
        ahead.answered(0, 0, more=True)
    assert ahead.limit == 4096
    for _ in range(200):
        ahead.answered(ahead.limit, 1, more=True)
    assert ahead.limit < 30
    ahead.answered(0, 100, more=False)
    assert ahead.limit >= 100
