"""The lanes against a model: order within a lane, nothing lost, nothing twice."""

from __future__ import annotations

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from doublegate.runtime.lanes import Lanes
from doublegate.runtime.record import Record, Stage
from tests.unit.runtime.records import partition, record

LANES = 3


class LanesMachine(RuleBasedStateMachine):
    """Drives lanes as the engine does: arrive, claim, grant (or withdraw), run, retry, finish, revoke."""

    @initialize()
    def start(self) -> None:
        self.lanes = Lanes(LANES)
        self.parts = [partition(0), partition(1)]
        self.next = [0, 0]
        self.alive: list[Record] = []
        self.asked: list[Record] = []
        self.units: list[list[Record]] = []
        self.blocked: list[Record] = []
        self.done: list[Record] = []

    @rule(which=st.integers(0, 1), spread=st.lists(st.integers(0, LANES - 1), min_size=1, max_size=6))
    def arrive(self, which: int, spread: list[int]) -> None:
        fresh = []
        for lane in spread:
            fresh.append(record(self.parts[which], self.next[which], lane))
            self.next[which] += 1
        self.alive += fresh
        self.lanes.arrive(fresh)

    @precondition(lambda self: not self.asked)
    @rule(count=st.integers(0, 8), per_lane=st.integers(1, 4))
    def claim(self, count: int, per_lane: int) -> None:
        taken = list(self.lanes.to_claim(count, per_lane))
        assert len(taken) <= count
        for one in taken:
            assert one.stage is Stage.WAITING
            assert not any(b.lane == one.lane for b in self.blocked), "a blocked lane was asked for"
            one.stage = Stage.ASKED
        self.asked = taken

    @rule()
    def grant(self) -> None:
        for one in self.asked:
            one.stage = Stage.CLAIMED
            self.lanes.start(one)
        self.asked = []

    @rule()
    def refuse(self) -> None:
        for one in self.asked:
            one.stage = Stage.WAITING
        self.lanes.requeue(self.asked)
        self.asked = []

    @precondition(lambda self: not self.asked)
    @rule()
    def withdraw(self) -> None:
        void = self.lanes.withdraw()
        for one in void:
            assert one.stage is Stage.CLAIMED
            one.stage = Stage.WAITING
        self.lanes.requeue(void)
        assert self.lanes.claimed == 0

    @rule(size=st.integers(1, 5))
    def run(self, size: int) -> None:
        unit = self.lanes.take_unit(size)
        busy = {one.lane for other in self.units for one in other}
        for one in unit:
            assert one.stage is Stage.CLAIMED
            assert one.lane not in busy, "two units of one lane"
            assert not any(b.lane == one.lane for b in self.blocked)
            for before in self.alive:
                if before.partition is one.partition and before.lane == one.lane:
                    assert before.offset >= one.offset or before in unit, "overtaken"
            one.stage = Stage.RUNNING
        if unit:
            self.units.append(unit)

    @precondition(lambda self: self.units)
    @rule(data=st.data())
    def end(self, data: st.DataObject) -> None:
        unit = self.units.pop(data.draw(st.integers(0, len(self.units) - 1)))
        failed = data.draw(st.sets(st.sampled_from(range(len(unit)))))
        lanes_failed = {unit[i].lane for i in failed}
        back, seen = [], set()
        for index, one in enumerate(unit):
            if index in failed and one.lane not in seen:
                seen.add(one.lane)
                self.lanes.block(one)
                self.blocked.append(one)
            if one.lane in lanes_failed and one.lane in seen:
                one.stage = Stage.CLAIMED
                back.append(one)
            else:
                self.alive.remove(one)
                self.done.append(one)
        self.lanes.go_back(back)
        self.lanes.release(unit)

    @precondition(lambda self: self.blocked)
    @rule()
    def unblock(self) -> None:
        self.lanes.unblock(self.blocked.pop(0))

    @precondition(lambda self: any(one.stage is Stage.CLAIMED for one in self.alive))
    @rule(data=st.data())
    def drop(self, data: st.DataObject) -> None:
        one = data.draw(st.sampled_from([r for r in self.alive if r.stage is Stage.CLAIMED]))
        self.lanes.drop(one)
        self.alive.remove(one)

    @precondition(lambda self: not self.asked)
    @rule(which=st.integers(0, 1))
    def revoke(self, which: int) -> None:
        gone = [r for r in self.alive if r.partition is self.parts[which] and r.stage is not Stage.RUNNING]
        self.lanes.forget(gone)
        for one in gone:
            self.alive.remove(one)

    @invariant()
    def counts_are_right(self) -> None:
        if hasattr(self, "lanes"):
            assert self.lanes.claimed == sum(one.stage is Stage.CLAIMED for one in self.alive)

    def teardown(self) -> None:
        """Everything that is left can be brought to its end."""
        if not hasattr(self, "lanes"):
            return
        self.grant()
        while self.blocked:
            self.unblock()
        while self.units:
            unit = self.units.pop()
            for one in unit:
                self.alive.remove(one)
            self.lanes.release(unit)
        for _ in range(len(self.alive) + 1):
            for one in list(self.lanes.to_claim(100, 100)):
                one.stage = Stage.CLAIMED
                self.lanes.start(one)
            while unit := self.lanes.take_unit(100):
                for one in unit:
                    self.alive.remove(one)
                self.lanes.release(unit)
        assert self.alive == [], "stuck"
        assert self.lanes.claimed == 0


TestLanes = LanesMachine.TestCase
TestLanes.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)


def test_a_blocked_lane_lets_others_pass() -> None:
    lanes, part = Lanes(2), partition()
    stuck, behind, other = record(part, 0, 0), record(part, 1, 0), record(part, 2, 1)
    lanes.block(stuck)
    lanes.arrive([behind, other])
    assert list(lanes.to_claim(5, 5)) == [other]
    lanes.start(other)
    assert lanes.take_unit(5) == [other]
    lanes.unblock(stuck)
    assert list(lanes.to_claim(5, 5)) == [behind]


def test_a_late_claim_starts_in_its_place() -> None:
    lanes, part = Lanes(1), partition()
    records = [record(part, offset) for offset in range(4)]
    for one in (records[1], records[3]):
        lanes.start(one)
    lanes.start_in_order(records[2])
    lanes.start_in_order(records[0])
    assert lanes.take_unit(9) == records


def test_what_arrives_does_not_overtake_what_waits_in_its_lane() -> None:
    lanes, part = Lanes(1), partition()
    first, second, third = (record(part, offset) for offset in range(3))
    lanes.arrive([first, second])
    assert list(lanes.to_claim(1, 1)) == [first]
    lanes.start(first)
    assert list(lanes.to_claim(5, 1)) == []
    assert lanes.take_unit(1) == [first]
    lanes.arrive([third])
    assert third not in list(lanes.to_claim(1, 1))
    lanes.release([first])
    assert list(lanes.to_claim(5, 5)) == [second, third]
