from dataclasses import replace

import pytest

from doublegate.demo.slowdown import Window, prove_slowdown

SLOW = Window(offered=180.0, written=9.0, asked=10.0, lag=400)
WELL = Window(offered=180.0, written=178.0, asked=None, lag=3)


def broken(slow=SLOW, well=WELL, written=900, stored=900):
    return {one.name for one in prove_slowdown(slow, well, written, stored) if not one.holds}


def test_a_sound_slowdown_proves_everything():
    assert broken() == set()


def test_a_group_that_still_asks_for_something_is_no_harm_when_all_is_written():
    assert broken(well=replace(WELL, asked=250.0)) == set()


@pytest.mark.parametrize("changes", [{"written": 170.0}, {"asked": None}], ids=str)
def test_a_producer_that_does_not_slow_down_or_not_for_the_group_is_named(changes):
    assert broken(slow=replace(SLOW, **changes)) == {"backpressure_slows"}


def test_a_producer_that_does_not_recover_is_named():
    assert broken(well=replace(WELL, written=90.0)) == {"backpressure_recovers"}


@pytest.mark.parametrize("stored", [899, 901])
def test_an_order_that_is_not_performed_or_from_nowhere_is_named(stored):
    assert broken(stored=stored) == {"backpressure_complete"}
