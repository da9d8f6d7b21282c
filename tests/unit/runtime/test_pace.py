from __future__ import annotations

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
    pace = made(2, 16)
    for _ in range(500):
        pace.ended(0.05, 1, pace.limit, trouble=False)
    pace.ended(0.05, 1, pace.limit, trouble=True)
    assert pace.limit == 11
    for _ in range(20):
        pace.ended(0.05, 1, pace.limit, trouble=True)
    assert pace.limit == 2
    for _ in range(500):
        pace.ended(0.05, 1, pace.limit, trouble=False)
    for _ in range(5):
        pace.ended(0.5, 1, pace.limit, trouble=False)
    assert pace.limit < 16


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
