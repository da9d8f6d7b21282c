"""The queue's rules: one hand at a key, at most once in line, backoff, spacing."""

from __future__ import annotations

import hypothesis.strategies as st
import pytest
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from doublegate_operator.shell.schedule import Schedule


def _always(number: float) -> Schedule[str]:
    return Schedule(draw=lambda: number)


def test_added_twice_is_taken_once_and_at_the_earlier_time() -> None:
    schedule = _always(0.5)
    schedule.add("a", at=10)
    schedule.add("a", at=5)
    schedule.add("a", at=20)
    assert schedule.take(4.9) is None
    assert schedule.take(5) == "a"
    assert schedule.take(100) is None


def test_the_longest_waiting_comes_first() -> None:
    schedule = _always(0.5)
    for key, at in (("late", 3), ("early", 1), ("middle", 2)):
        schedule.add(key, at=at)
    assert [schedule.take(5) for _ in range(3)] == ["early", "middle", "late"]


def test_what_is_added_while_it_is_looked_at_waits_until_that_is_over() -> None:
    schedule = _always(0.5)
    schedule.add("a", at=0)
    assert schedule.take(0) == "a"
    schedule.add("a", at=1)
    assert schedule.take(2) is None
    assert schedule.next_due() is None
    schedule.done("a", now=2, again=30)
    assert schedule.take(2.9) is None  # a second of rest
    assert schedule.take(3) == "a"


def test_at_once_after_a_change_needs_no_rest() -> None:
    schedule = _always(0.5)
    schedule.add("a", at=0)
    schedule.take(0)
    schedule.done("a", now=1, again=0)
    assert schedule.take(1) == "a"


def test_failures_wait_twice_as_long_each_up_to_a_minute_and_success_forgets_them() -> None:
    schedule = _always(0.5)
    delays, now = [], 0.0
    schedule.add("a", at=0)
    for _ in range(9):
        assert schedule.take(now) == "a"
        delays.append(schedule.failed("a", now))
        assert schedule.take(now + delays[-1] - 0.01) is None
        now += delays[-1]
    assert delays == [1, 2, 4, 8, 16, 32, 60, 60, 60]
    schedule.take(now)
    schedule.done("a", now, again=0)
    schedule.take(now)
    assert schedule.failed("a", now) == 1


def test_jitter_spreads_by_a_fifth_and_never_past_the_longest() -> None:
    for number, first in ((0.0, 0.8), (1.0, 1.2)):
        schedule = _always(number)
        schedule.add("a", at=0)
        schedule.take(0)
        assert schedule.failed("a", 0) == pytest.approx(first)
    for _ in range(2000):
        schedule.take(1e9)
        assert schedule.failed("a", 0) <= 60


def test_a_change_does_not_wait_for_the_backoff() -> None:
    schedule = _always(0.5)
    schedule.add("a", at=0)
    for now in (0, 100, 200, 300):
        schedule.take(now)
        schedule.failed("a", now)
    schedule.add("a", at=300)
    assert schedule.take(301) == "a"


def test_what_is_done_for_good_has_no_past() -> None:
    schedule = _always(0.5)
    schedule.add("a", at=0)
    schedule.take(0)
    schedule.failed("a", 0)
    schedule.take(2)
    schedule.done("a", 2, again=None)
    assert schedule.take(1000) is None
    schedule.add("a", at=2)
    assert schedule.take(2) == "a"
    assert schedule.failed("a", 2) == 1


class Model(RuleBasedStateMachine):
    """Nobody gets a key that another holds, and nothing that was added is lost."""

    def __init__(self) -> None:
        super().__init__()
        self.schedule = Schedule[int]()
        self.now = 0.0
        self.held: set[int] = set()
        self.owed: set[int] = set()

    @rule(key=st.integers(0, 3), delay=st.floats(0, 5))
    def add(self, key: int, delay: float) -> None:
        self.schedule.add(key, self.now + delay)
        self.owed.add(key)

    @rule(seconds=st.floats(0, 10))
    def wait(self, seconds: float) -> None:
        self.now += seconds

    @rule()
    def take(self) -> None:
        key = self.schedule.take(self.now)
        if key is not None:
            assert key not in self.held
            assert key in self.owed
            self.held.add(key)
            self.owed.discard(key)

    @precondition(lambda self: self.held)
    @rule(data=st.data(), again=st.none() | st.floats(0, 30))
    def done(self, data: st.DataObject, again: float | None) -> None:
        key = data.draw(st.sampled_from(sorted(self.held)))
        self.held.discard(key)
        self.schedule.done(key, self.now, again)
        if again is not None:
            self.owed.add(key)

    @precondition(lambda self: self.held)
    @rule(data=st.data())
    def fail(self, data: st.DataObject) -> None:
        key = data.draw(st.sampled_from(sorted(self.held)))
        self.held.discard(key)
        self.schedule.failed(key, self.now)
        self.owed.add(key)

    @invariant()
    def due_as_said(self) -> None:
        assert self.schedule.depth == len(self.owed)
        assert self.schedule.taken == len(self.held)
        due = self.schedule.next_due()
        assert (due is None) == (not self.owed - self.held)

    def teardown(self) -> None:
        for key in tuple(self.held):
            self.schedule.done(key, self.now, None)
        taken = set()
        while (key := self.schedule.take(self.now + 100)) is not None:
            taken.add(key)
        assert taken == self.owed


TestModel = Model.TestCase
