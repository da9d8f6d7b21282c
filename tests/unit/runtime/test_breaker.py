from __future__ import annotations

import pytest

from doublegate.contract.kafka_spec import BreakerSpec
from doublegate.runtime.breaker import Breaker


@pytest.fixture
def breaker() -> Breaker:
    return Breaker(BreakerSpec.model_validate({"failureRatio": 0.5, "window": "10s"}))


def test_opens_above_its_share_and_not_at_it(breaker: Breaker) -> None:
    breaker.record(0.0, 40, 20)
    assert not breaker.open
    breaker.record(0.1, 1, 1)
    assert breaker.open


def test_a_few_failures_are_no_share(breaker: Breaker) -> None:
    for second in range(19):
        breaker.record(second / 100, 1, 1)
    assert not breaker.open
    breaker.record(0.2, 1, 1)
    assert breaker.open


def test_failures_alone_open_it_although_the_window_was_good(breaker: Breaker) -> None:
    breaker.record(0.0, 5000, 0)
    for n in range(19):
        breaker.record(1 + n / 100, 1, 1)
    breaker.record(1.19, 2, 1)  # one effect: no outage
    for n in range(19):
        breaker.record(1.2 + n / 100, 100, 100)
        assert not breaker.open
    breaker.record(1.4, 1, 1)
    assert breaker.open


def test_what_failed_in_a_row_before_it_closed_is_forgotten(breaker: Breaker) -> None:
    for _ in range(20):
        breaker.record(0.0, 1, 1)
    for n in range(3):
        breaker.record(1.0 + n, 1, 0)
    for _ in range(19):
        breaker.record(4.0, 1, 1)
    assert not breaker.open


def test_old_failures_are_forgotten(breaker: Breaker) -> None:
    breaker.record(0.0, 19, 19)
    breaker.record(11.0, 19, 0)
    breaker.record(11.1, 1, 1)
    assert not breaker.open


def test_one_probe_a_second_and_three_good_ones_close(breaker: Breaker) -> None:
    breaker.record(0.0, 20, 20)
    assert not breaker.may_probe(0.5)
    assert breaker.may_probe(1.0)
    assert not breaker.may_probe(1.5)
    breaker.record(1.6, 1, 0)
    breaker.record(2.6, 1, 0)
    breaker.record(3.6, 1, 1)  # counting begins anew
    breaker.record(4.6, 1, 0)
    breaker.record(5.6, 1, 0)
    assert breaker.open
    breaker.record(6.6, 1, 0)
    assert not breaker.open
    breaker.record(6.7, 1, 1)
    assert not breaker.open  # what it counted before is gone


def test_real_poison_drains_at_a_capped_rate(breaker: Breaker) -> None:
    breaker.record(0.0, 20, 20)
    probes = 0
    for tick in range(1000):
        if breaker.may_probe(tick / 100):
            probes += 1
            breaker.record(tick / 100, 1, 1)
    assert 8 <= probes <= 10
    assert breaker.open


def test_never_opens_where_every_failure_is_wanted() -> None:
    breaker = Breaker(BreakerSpec.model_validate({"failureRatio": 1}))
    for _ in range(100):
        breaker.record(0.0, 10, 10)
    assert not breaker.open
