from collections import Counter

import pytest

from doublegate.demo.lots import Call, call_of, fails, lot
from doublegate.demo.plan import NEAR, Body, Copy, Identity, Shares, flights_needed, make_plan

EVENTS = 20_000
SHARES = Shares()
IDS = [f"flight-{number}" for number in range(flights_needed(EVENTS, SHARES))]


@pytest.fixture(scope="module")
def plan():
    return make_plan(IDS, EVENTS, SHARES, seed=13)


def test_sends_exactly_as_many_events_as_asked_for(plan):
    assert len(plan.sends) == EVENTS


def test_the_same_seed_gives_the_same_plan_and_another_seed_another(plan):
    assert make_plan(IDS, EVENTS, SHARES, seed=13) == plan
    assert make_plan(IDS, EVENTS, SHARES, seed=14).sends != plan.sends


def test_the_shares_are_what_they_say(plan):
    assert plan.copies == {Copy.FIRST: len(IDS), Copy.NEAR: 1400, Copy.FAR: 600, Copy.CONFLICT: 10}
    assert (len(plan.poison), len(plan.broken), len(plan.conflicts), plan.nameless) == (20, 20, 10, 4)
    assert len(plan.failing) == pytest.approx(EVENTS * SHARES.failing, rel=0.5)


def test_every_flight_has_one_outcome(plan):
    parts = [plan.done, plan.failing, plan.poison, plan.broken]
    assert sum(map(len, parts)) == len(plan.unique_ids) == len(IDS)


def test_firsts_keep_the_order_of_the_flights_and_copies_follow_their_first(plan):
    firsts = [s for s in plan.sends if s.copy is Copy.FIRST and s.identity is Identity.USABLE]
    assert [s.flight for s in firsts] == list(range(len(IDS)))
    seen = set()
    for send in plan.sends:
        if send.identity is Identity.USABLE:
            assert send.copy is Copy.FIRST or send.flight in seen
            seen.add(send.flight)


def test_near_is_near_and_far_is_far(plan):
    first = {}
    distances = {Copy.NEAR: [], Copy.FAR: []}
    for place, send in enumerate(plan.sends):
        if send.identity is not Identity.USABLE:
            continue
        if send.copy is Copy.FIRST:
            first[send.flight] = place
        elif send.copy in distances:
            distances[send.copy].append(place - first[send.flight])
    assert max(distances[Copy.NEAR]) <= 2 * NEAR
    assert min(distances[Copy.FAR]) >= EVENTS // 5


def test_a_copy_has_the_payload_of_its_first(plan):
    bodies = {s.flight: s.body for s in plan.sends if s.copy is Copy.FIRST and s.identity is Identity.USABLE}
    assert all(s.body is bodies[s.flight] for s in plan.sends if s.copy in (Copy.NEAR, Copy.FAR))


def test_conflicts_hit_sound_events_only(plan):
    assert plan.conflicts <= plan.done
    assert all(s.body is Body.GOOD for s in plan.sends if s.copy is Copy.CONFLICT)


def test_every_kind_of_unusable_id_is_sent(plan):
    unusable = Counter(s.identity for s in plan.sends if s.identity is not Identity.USABLE)
    assert unusable == {Identity.MISSING: 1, Identity.EMPTY: 1, Identity.TOO_LONG: 1, Identity.NOT_UTF8: 1}


@pytest.mark.parametrize("events", [1, 10, 200])
def test_small_runs_are_planned_as_well(events):
    ids = IDS[: flights_needed(events, SHARES)]
    assert len(make_plan(ids, events, SHARES, seed=1).sends) == events


@pytest.mark.parametrize("share", [-0.1, 0.6])
def test_an_absurd_share_is_refused_by_name(share):
    with pytest.raises(ValueError, match="poison is a share between"):
        Shares(poison=share)


def test_lots_are_even_and_the_same_in_every_process():
    assert lot("2013-01-01-UA-1545-EWR", "fails") == 0.6012367019280864
    assert sum(fails(event_id, 0.1) for event_id in IDS) == pytest.approx(len(IDS) * 0.1, rel=0.1)


def test_calls_are_half_charges_half_mails():
    calls = Counter(call_of(event_id, 0.2) for event_id in IDS)
    assert calls[Call.CHARGE] == pytest.approx(len(IDS) * 0.1, rel=0.15)
    assert calls[Call.MAIL] == pytest.approx(len(IDS) * 0.1, rel=0.15)
    assert call_of("x", 0) is None
