"""The schedule of `make bench-flow`."""

from __future__ import annotations

from tests.benchmarks.flow.plan import Far, Phase, Plan

PLAN = Plan(rate=150.0, factor=10.0, seconds=30.0, groups=10)


def named(plan: Plan) -> dict[str, Phase]:
    return {phase.name: phase for phase in plan.phases}


def test_both_spikes_are_the_same_but_for_who_follows() -> None:
    phases = named(PLAN)
    free, followed = phases["spike"], phases["followed"]
    assert (free.rate, free.seconds) == (followed.rate, followed.seconds) == (1500.0, 30.0)
    assert (free.follow, followed.follow) == (False, True)
    others = [phase for phase in PLAN.phases if phase not in {free, followed, phases["warm"]}]
    assert {phase.rate for phase in others} == {150.0}


def test_names_are_unique_and_every_disturbance_is_followed_by_a_drain() -> None:
    assert len(named(PLAN)) == len(PLAN.phases)
    for before, after in zip(PLAN.phases, PLAN.phases[1:], strict=False):
        disturbed = before.rate > PLAN.rate or before.far is not Far.HEALTHY
        assert after.drains == disturbed
        assert not after.drains or after.far is Far.HEALTHY


def test_time_scales() -> None:
    half = Plan(rate=150.0, factor=10.0, seconds=15.0, groups=10)
    assert [p.seconds / 2 for p in PLAN.phases] == [p.seconds for p in half.phases]
    assert half.target_drain == PLAN.target_drain / 2


def test_a_phase_lasts_until_its_drain_and_not_for_ever() -> None:
    drain = Phase("d", "", 1.0, 10.0, drains=True, longest=60.0)
    assert not drain.over(9.9, drained=True)
    assert drain.over(10.0, drained=True)
    assert not drain.over(59.0, drained=False)
    assert drain.over(60.0, drained=False)
    assert Phase("p", "", 1.0, 10.0).over(10.0, drained=False)
