"""ParkKey: what follows a dead letter of its key follows it to the DLQ, and a replay keeps the order."""

from __future__ import annotations

import pytest

from doublegate.contract.states import EntryState
from doublegate.gate.ledger_types import Exchange
from doublegate.runtime.outcome import Attempt, done, not_done, rejected
from doublegate.runtime.partition import TopicPartitionKey
from tests.unit.runtime.rig import LEASE, Clock, Rig, frozen

NAME = TopicPartitionKey("t", 0)
PARK = {"kafka": {"bootstrapServers": "b:1", "topic": "t", "group": "g", "onFailure": "ParkKey"}}


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return frozen(monkeypatch)


@pytest.fixture
def rig(clock: Clock) -> Rig:
    return Rig(clock, **PARK).assign(0)


def written(rig: Rig) -> list[tuple[str, str]]:
    return [(record.event_id.decode(), letter.reason.value) for record, letter in rig.letters]


def all_letters(rig: Rig) -> list[tuple[str, str]]:
    """Acknowledge until nothing more is written."""
    found = []
    while now := written(rig):
        found += now
        rig.acknowledge()
    return found


def replay(rig: Rig, *ids: str, first: int = 0) -> list[str]:
    rig.arrive(*ids, first=first, topic="g.replay")
    return rig.running


def entry(rig: Rig, event_id: str) -> EntryState | None:
    found = rig.ledger.inspect(rig.state.local.keyspace.key(event_id.encode()))
    return None if found is None else found.state


def test_later_events_of_the_key_follow_in_order(rig: Rig) -> None:
    rig.arrive("a", "b")
    rig.end(rejected("no"))
    assert all_letters(rig) == [("a", "failed"), ("b", "parked")]
    rig.arrive("other", first=2, key=b"x")
    rig.arrive("c", first=3)
    rig.arrive("more", first=4, key=b"x")
    assert rig.work() == ["other", "more"]
    assert all_letters(rig) == [("c", "parked")]
    assert entry(rig, "b") is EntryState.FAILED
    assert entry(rig, "c") is EntryState.FAILED
    assert entry(rig, "more") is EntryState.DONE
    assert rig.committed() == 5


def test_a_letter_is_not_overtaken_by_those_behind_it(rig: Rig) -> None:
    rig.arrive("a", "b", "c")
    rig.end(rejected("no"))
    assert written(rig) == [("a", "failed")]
    rig.acknowledge("refused")
    rig.turn(2.1)
    assert written(rig) == [("a", "failed")]
    assert all_letters(rig) == [("a", "failed"), ("b", "parked"), ("c", "parked")]


def test_a_replay_performs_the_line_in_order_and_frees_the_key(rig: Rig) -> None:
    rig.arrive("a", "b")
    rig.end(rejected("no"))
    all_letters(rig)
    rig.assign(0, topic="g.replay")
    assert replay(rig, "a", "b") == ["a"]
    assert rig.work() == ["a", "b"]
    rig.arrive("c", first=2)
    assert rig.work() == ["c"]
    assert rig.letters == []


def test_a_replay_out_of_order_is_parked_again(rig: Rig) -> None:
    rig.arrive("a", "b")
    rig.end(rejected("no"))
    all_letters(rig)
    rig.assign(0, topic="g.replay")
    assert replay(rig, "b") == []
    assert all_letters(rig) == [("b", "parked")]
    replay(rig, "a", "b", first=1)
    assert rig.work() == ["a", "b"]


def test_a_replay_that_fails_again_holds_the_line(rig: Rig) -> None:
    rig.arrive("a", "b")
    rig.end(rejected("no"))
    all_letters(rig)
    rig.assign(0, topic="g.replay")
    replay(rig, "a", "b")
    rig.end(rejected("still not"))
    assert all_letters(rig) == [("a", "failed"), ("b", "parked")]


def test_the_next_owner_knows_what_is_parked(clock: Clock, rig: Rig) -> None:
    rig.arrive("a")
    rig.end(rejected("no"))
    all_letters(rig)
    heir = Rig(clock, rig.ledger, owner=b"owner--2", **PARK).assign(0)
    heir.arrive("b", first=1)
    assert heir.running == []
    assert all_letters(heir) == [("b", "parked")]
    heir.arrive("x", first=2, key=b"x")
    assert heir.work() == ["x"]


def test_a_crash_before_the_line_is_left_is_healed_by_the_replay_read_again(clock: Clock, rig: Rig) -> None:
    rig.arrive("a", "b")
    rig.end(rejected("no"))
    all_letters(rig)
    rig.assign(0, topic="g.replay")
    replay(rig, "a")
    rig.ledger.unpark = lambda _: (_ for _ in ()).throw(AssertionError("crashed"))  # type: ignore[method-assign]
    with pytest.raises(AssertionError, match="crashed"):
        rig.end()
    del rig.ledger.unpark
    assert entry(rig, "a") is EntryState.DONE
    clock.now += LEASE + 1
    heir = Rig(clock, rig.ledger, owner=b"owner--2", **PARK).assign(0, topic="g.replay")
    assert replay(heir, "a", "b") == ["b"]
    assert heir.work() == ["b"]
    assert heir.letters == []


def test_retries_do_not_park(rig: Rig) -> None:
    rig.arrive("a", "b")
    rig.end(not_done("busy"))
    rig.turn(1.1)
    assert rig.work() == ["a", "b"]
    assert rig.letters == []


def test_a_failure_within_a_unit_holds_back_the_rest_of_it(clock: Clock) -> None:
    """Several events of a key are with one worker; it leaves those behind the failure alone."""
    rig = Rig(clock, batch=True, **PARK).assign(0)
    rig.arrive("a", "b", "c")
    [unit] = rig.units
    assert len(unit.records) > 1
    rig.end(rejected("no"))
    assert rig.running == []
    assert all_letters(rig) == [("a", "failed"), ("b", "parked"), ("c", "parked")]


def test_what_has_no_key_has_no_order(rig: Rig) -> None:
    rig.arrive("a", key=None)
    rig.end(rejected("no"))
    all_letters(rig)
    rig.arrive("b", first=1, key=None)
    assert rig.work() == ["b"]


def test_a_ledger_away_delays_the_letter_and_nothing_of_the_key_starts(rig: Rig) -> None:
    rig.arrive("a", "b")
    rig.ledger.away = True
    rig.end(rejected("no"))
    rig.turn(1.0)
    assert rig.letters == []
    assert rig.running == []
    rig.ledger.away = False
    rig.turn(2.0)
    assert all_letters(rig) == [("a", "failed"), ("b", "parked")]


@pytest.mark.parametrize("mode", ["PerEvent", "PerPartition"])
def test_both_claim_modes_park(clock: Clock, mode: str) -> None:
    rig = Rig(clock, **PARK, ledger={"claim": mode}, filter={"window": "1h"}).assign(0)
    rig.arrive("a", "b", "c")
    rig.end(rejected("no"))
    assert all_letters(rig) == [("a", "failed"), ("b", "parked"), ("c", "parked")]
    rig.assign(0, topic="g.replay")
    replay(rig, "a", "b", "c")
    assert rig.work() == ["a", "b", "c"]
    rig.arrive("d", first=3)
    assert rig.end(done()) == ["d"]


def test_what_a_worker_gives_back_comes_before_what_waits_in_the_lane(clock: Clock) -> None:
    rig = Rig(clock, batch=True, **PARK).assign(0)
    rig.arrive("a", "b")
    rig.arrive("c", "d", first=2)
    [unit] = rig.units
    assert [record.event_id for record in unit.records] == [b"a", b"b"]
    rig.end(rejected("no"))
    assert [event_id for event_id, _ in all_letters(rig)] == ["a", "b", "c", "d"]


@pytest.mark.parametrize("second", [rejected("no"), not_done("busy")])
def test_what_failed_together_comes_before_what_waits_in_the_lane(clock: Clock, second: Attempt) -> None:
    rig = Rig(clock, batch=True, **PARK).assign(0)
    rig.arrive("a", "b")
    rig.arrive("c", first=2)
    unit = rig.units.pop()
    for record, attempt in zip(unit.records, (rejected("no"), second), strict=True):
        record.attempt, record.result = 1, attempt
    rig.engine.unit_ended(unit)
    rig.turn(1.1)
    assert rig.running == []
    assert [event_id for event_id, _ in all_letters(rig)] == ["a", "b", "c"]


def test_a_replay_that_is_tried_twice_leaves_its_line(rig: Rig) -> None:
    rig.arrive("a", "b")
    rig.end(rejected("no"))
    all_letters(rig)
    rig.assign(0, topic="g.replay")
    replay(rig, "a")
    rig.end(not_done("busy"))
    rig.arrive("x", first=2, key=b"x")  # another exchange, which does not ask for the line
    rig.work()
    rig.turn(1.1)
    assert rig.work() == ["a"]
    replay(rig, "b", first=1)
    assert rig.work() == ["b"]
    assert rig.ledger.exchange(Exchange(b"owner--1", lines=[rig.state.local.keyspace.line(b"k")])).lines == {}


def test_an_exhausted_events_letter_does_not_overtake_what_comes_before_it(clock: Clock) -> None:
    spec = {**PARK, "ledger": {"onUnknown": "DeadLetter"}}
    dead = Rig(clock, **spec).assign(0)
    dead.arrive("b", first=1)
    clock.now += LEASE + 1
    heir = Rig(clock, dead.ledger, owner=b"owner--2", **spec).assign(0)
    heir.arrive("a", "b", "c")
    assert heir.running == ["a"]
    assert heir.letters == []
    heir.work()
    assert all_letters(heir) == [("b", "unknown_outcome"), ("c", "parked")]
    assert heir.committed() == 3
