from dataclasses import replace

import pytest

from doublegate.demo.lots import Call, call_of
from doublegate.demo.plan import Shares, flights_needed, make_plan
from doublegate.demo.proof import Letter, Records, plain_repeats, prove, prove_replayed

SHARES = Shares(calls=0.2)
EVENTS = 5_000
IDS = [f"flight-{number}" for number in range(flights_needed(EVENTS, SHARES))]
PLAN = make_plan(IDS, EVENTS, SHARES, seed=3)


def letters():
    ids = [("failed", i) for i in PLAN.failing] + [("poison", i) for i in PLAN.poison]
    ids += [("schema", i) for i in PLAN.broken] + [("conflict", i) for i in PLAN.conflicts]
    ids += [("poison", None)] * PLAN.nameless
    return tuple(Letter(reason, event_id, ("flights", 0, n)) for n, (reason, event_id) in enumerate(ids))


def sound(done=PLAN.done):
    return Records(
        rows=dict.fromkeys(done, 1),
        charges={i: 1 for i in done if call_of(i, SHARES.calls) is Call.CHARGE},
        mails={i: 1 for i in done if call_of(i, SHARES.calls) is Call.MAIL},
        letters=letters(),
    )


def broken(invariants):
    return {one.name for one in invariants if not one.holds}


def test_a_sound_run_proves_everything():
    assert broken(prove(PLAN, sound(), SHARES.calls)) == set()
    assert broken(prove_replayed(PLAN, sound(), sound(PLAN.done | PLAN.failing), SHARES.calls)) == set()


def test_a_lost_event_is_named():
    records = sound()
    gone = next(iter(records.rows))
    rows = {i: n for i, n in records.rows.items() if i != gone}
    verdicts = prove(PLAN, replace(records, rows=rows), SHARES.calls)
    assert broken(verdicts) == {"nothing_lost", "done"}
    assert verdicts[0].examples == (gone,)


@pytest.mark.parametrize(("field", "name"), [("rows", "inbox_once"), ("charges", "charge_once")])
def test_a_second_effect_is_named(field, name):
    records = sound()
    twice = next(iter(getattr(records, field)))
    verdicts = prove(PLAN, replace(records, **{field: getattr(records, field) | {twice: 2}}), SHARES.calls)
    assert broken(verdicts) == {name}
    assert next(one for one in verdicts if not one.holds).examples == (twice,)


def test_a_second_plain_effect_is_counted_and_breaks_nothing():
    records = sound()
    twice = next(iter(records.mails))
    records = replace(records, mails=dict(records.mails) | {twice: 2})
    assert plain_repeats(records) == {twice: 2}
    assert broken(prove(PLAN, records, SHARES.calls)) == set()


@pytest.mark.parametrize("reason", ["failed", "poison", "schema", "conflict"])
def test_a_missing_or_surplus_letter_is_named(reason):
    kept = tuple(one for one in letters() if one.reason != reason or not one.event_id)
    assert f"dead_letters_{reason}" in broken(prove(PLAN, replace(sound(), letters=kept), SHARES.calls))
    more = (*letters(), Letter(reason, "stranger", ("flights", 0, 10**6)))
    assert broken(prove(PLAN, replace(sound(), letters=more), SHARES.calls)) == {f"dead_letters_{reason}"}


def test_a_missing_nameless_letter_is_named():
    kept = tuple(one for one in letters() if one.event_id)
    assert broken(prove(PLAN, replace(sound(), letters=kept), SHARES.calls)) == {"dead_letters_nameless"}


def test_a_letter_written_twice_counts_once():
    records = replace(sound(), letters=letters() * 2)
    assert broken(prove(PLAN, records, SHARES.calls)) == set()
    assert records.letters_by_reason() == sound().letters_by_reason()


def test_an_unknown_outcome_that_gave_up_is_not_lost():
    given_up = next(iter(PLAN.done))
    records = sound(PLAN.done - {given_up})
    records = replace(
        records, letters=(*letters(), Letter("unknown_outcome", given_up, ("flights", 0, 10**6)))
    )
    assert broken(prove(PLAN, records, SHARES.calls)) == set()


def test_a_failed_event_that_the_replay_did_not_repair_is_named():
    left = next(iter(PLAN.failing))
    verdicts = prove_replayed(PLAN, sound(), sound((PLAN.done | PLAN.failing) - {left}), SHARES.calls)
    assert verdicts[0].examples == (left,)


def test_misplaced_order_is_named():
    assert broken(prove(PLAN, replace(sound(), misordered=("x",)), SHARES.calls)) == {"order_kept"}


def test_a_failing_event_that_was_in_hand_at_the_crash_may_be_unknown():
    moved = next(iter(PLAN.failing))
    kept = tuple(one for one in letters() if one.event_id != moved)
    unknown = Letter("unknown_outcome", moved, ("flights", 0, 10**6))
    assert broken(prove(PLAN, replace(sound(), letters=(*kept, unknown)), SHARES.calls)) == set()


def test_a_new_failure_after_the_repair_is_named():
    surplus = (*letters(), Letter("failed", next(iter(PLAN.done)), ("flights.replay", 0, 1)))
    after = replace(sound(PLAN.done | PLAN.failing), letters=surplus)
    assert broken(prove_replayed(PLAN, sound(), after, SHARES.calls)) == {"replayed_no_new_letters"}
