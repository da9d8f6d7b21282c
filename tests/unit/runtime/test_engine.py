"""The engine's decisions, step by step; real servers and threads are the integration tests' part."""

from __future__ import annotations

from concurrent.futures import Future
from typing import Any

import pytest

from doublegate.contract.deadletter import DeadLetterReason
from doublegate.contract.states import EntryState, UnknownCause
from doublegate.gate.ledger_errors import LedgerUnavailable
from doublegate.gate.ledger_types import LedgerSettings
from doublegate.runtime import books, recent
from doublegate.runtime.executors_outcomes import LEASE_LOST
from doublegate.runtime.outcome import Attempt, done, not_done, rejected, unknown
from doublegate.runtime.partition import TopicPartitionKey, decode_metadata
from tests.unit.runtime.records import TOPIC_ID, message
from tests.unit.runtime.rig import DRAIN, LEASE, Clock, Ledger, Rig, frozen

TIMEOUT = unknown("too long", UnknownCause.TIMEOUT)
NAME = TopicPartitionKey("t", 0)
NOTHING_ABOVE = "dg1:00000000:"


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return frozen(monkeypatch)


@pytest.fixture
def rig(clock: Clock) -> Rig:
    return Rig(clock).assign(0, 1)


def entry(rig: Rig, event_id: str) -> EntryState | None:
    found = rig.ledger.inspect(rig.state.local.keyspace.key(event_id.encode()))
    return None if found is None else found.state


def empty(rig: Rig) -> bool:
    """Nothing is held, in flight or claimed any more."""
    return not (
        rig.state.held
        or rig.state.held_bytes
        or rig.state.local.inflight
        or rig.state.lanes.claimed
        or rig.state.running_elsewhere
    )


def test_done_is_committed_and_known(rig: Rig) -> None:
    rig.arrive("a", "b", "a")
    assert rig.committed() == 0
    assert rig.work() == ["a", "b"]
    assert rig.committed() == 3
    assert entry(rig, "a") is EntryState.DONE
    assert rig.counts() == {("done", "handler"): 2, ("duplicate", "inflight"): 1}
    assert empty(rig)
    rig.arrive("a", first=3)
    assert rig.running == []
    assert rig.counts()["duplicate", "memory"] == 1
    assert rig.committed() == 4


def test_a_retry_comes_before_what_follows_it(rig: Rig) -> None:
    rig.arrive("a", "b")
    assert rig.end(not_done("busy")) == ["a"]
    assert rig.running == []
    rig.turn(1.1)
    assert rig.work() == ["a", "b"]
    assert rig.committed() == 2


def test_a_dead_letter_passes_only_when_acknowledged(rig: Rig) -> None:
    rig.arrive("a")
    rig.end(rejected("no"))
    [(_, letter)] = rig.letters
    assert letter.reason is DeadLetterReason.FAILED
    assert rig.committed() == 0
    rig.acknowledge("refused")
    assert rig.writer.blocked
    rig.arrive("b", first=1, key=b"other")
    assert rig.running == []  # nothing starts while letters are refused
    rig.turn(2.1)
    rig.acknowledge()
    assert entry(rig, "a") is EntryState.FAILED
    assert rig.committed() == 1
    assert rig.running == ["b"]


def test_metadata_moves_though_the_offset_does_not(rig: Rig) -> None:
    rig.arrive("slow", key=b"1")
    slow = rig.units.pop()
    rig.arrive("a", "b", first=1, key=b"2")
    rig.work()
    assert rig.committed() == 0
    assert decode_metadata(0, rig.poller.commits[NAME][1])[1].above(0) == [(1, 3)]
    rig.units.append(slow)
    rig.end()
    assert rig.committed() == 3


# --- the ledger


def test_a_ledger_that_is_away_is_asked_again(rig: Rig) -> None:
    rig.arrive("a")
    rig.ledger.away = True
    rig.end()
    rig.arrive("b", "c", first=1)
    rig.turn(3.0)
    assert rig.running == []
    assert rig.engine.ledger_error is not None
    assert rig.committed() == 0
    rig.ledger.away = False
    rig.turn(1.0)
    assert rig.work() == ["b", "c"]
    assert rig.engine.ledger_error is None
    assert rig.committed() == 3


def test_claims_do_not_pile_up_while_the_ledger_is_away(clock: Clock) -> None:
    rig = Rig(clock, flow={"maxInFlight": 5000, "concurrency": {"min": 1, "max": 1}}).assign(0)
    rig.ledger.away = True
    for number in range(20):
        rig.arrive(*(f"{number}-{n}" for n in range(50)), first=50 * number, key=None)
        rig.turn(1.0)
    assert sum(record.stage.name == "ASKED" for record in rig.state.partitions[NAME].pending) <= 16


def test_nothing_starts_once_the_lease_has_run_out(rig: Rig) -> None:
    rig.arrive("a", "b")
    assert rig.state.lanes.claimed == 1
    rig.ledger.away = True
    rig.clock.now += LEASE + 0.1
    assert rig.end() == ["a"]
    assert rig.running == []
    rig.ledger.away = False
    rig.ownership.session_over(False)
    rig.turn(1.0)
    assert rig.work() == ["b"]


def test_a_lost_lease_says_nothing_of_the_far_side(clock: Clock) -> None:
    rig = Rig(clock, dlq={"breaker": {"failureRatio": 0.5}}).assign(0)
    for number in range(30):
        rig.arrive(f"{number}", first=number, key=None)
        rig.end(LEASE_LOST)
        rig.turn(1.1)
    assert not rig.breaker.open


def test_after_an_expired_session_every_claim_is_asked_for_anew_in_order(rig: Rig) -> None:
    rig.arrive("a", "b", "c")
    unit = rig.units.pop()
    rig.clock.now += LEASE + 1  # stopped for longer than the lease
    other = Rig(rig.clock, rig.ledger, owner=b"owner--2")
    other.assign(0)
    other.arrive("a", "b", "c")
    assert other.running == ["a"]
    assert other.report.unknown["owner_died"] == 3
    rig.ownership.session_over(False)
    rig.units.append(unit)
    assert rig.end(not_done("busy")) == ["a"]
    rig.turn(2.0)
    assert rig.running == [], "its claims were another's by now"
    assert other.work() == ["a", "b", "c"]
    rig.turn(2.0)
    assert rig.running == []
    assert rig.committed() == 3
    assert empty(rig)


def test_a_claim_granted_before_the_session_ended_is_void_after(rig: Rig) -> None:
    """The answer says NEW and is read only after the heartbeat has learnt that the session is over."""
    rig.ledger.before_answer = lambda: rig.ownership.session_over(False)
    rig.arrive("a", "b")
    rig.turn(1.0)
    pending = rig.state.partitions[NAME].pending
    assert {record.epoch for record in pending} == {rig.state.partitions[NAME].epoch}
    assert rig.work() == ["a", "b"]


def test_an_epoch_that_somebody_took_in_error_is_taken_back(rig: Rig) -> None:
    """A member that slept beyond its session takes the epochs of what it had before it learns of its loss."""
    rig.arrive("a", "b", key=b"1")
    rig.ledger.take_epochs([(TOPIC_ID, 0)])
    rig.arrive("c", first=2, key=b"2")
    rig.turn(1.0)
    performed = rig.work()
    assert sorted(performed) == ["a", "b", "c"]
    assert performed.index("a") < performed.index("b")
    assert rig.committed() == 3


def test_nothing_starts_while_it_is_disputed_whose_a_partition_is(rig: Rig) -> None:
    rig.arrive("a", "b", key=b"1")
    rig.poller.refusal = "not the newest generation"
    rig.ledger.take_epochs([(TOPIC_ID, 0)])
    rig.arrive("c", first=2, key=b"2")
    asked = rig.ledger.round_trips
    rig.turn(5.0)
    assert rig.end() == ["a"]  # which ran already
    rig.turn(5.0)
    assert rig.running == []
    assert rig.ledger.round_trips - asked < 60, "asked without end"
    rig.poller.refusal = None
    rig.turn(1.0)
    assert rig.work() == ["b", "c"]


def test_nothing_is_claimed_while_others_re_assert(rig: Rig) -> None:
    rig.arrive("a", key=b"1")
    rig.ledger.forget()
    rig.arrive("b", first=1, key=b"2")
    assert entry(rig, "a") is EntryState.CLAIMED  # put back
    asked = rig.ledger.round_trips
    rig.turn(LEASE / 2)
    assert entry(rig, "b") is None
    assert rig.ledger.round_trips - asked < 20, "asked without end"
    rig.turn(LEASE)
    assert "b" in rig.running
    rig.end()
    assert rig.committed() == 2


def test_a_ledger_that_forgot_gets_done_and_unknown_back(rig: Rig) -> None:
    rig.arrive("done", key=b"1")
    rig.end()
    rig.arrive("unsure", first=1, key=b"2")
    rig.end(TIMEOUT)
    rig.ledger.forget()
    rig.arrive("next", first=2, key=b"3")
    assert entry(rig, "done") is EntryState.DONE
    key = rig.state.local.keyspace.key(b"unsure")
    found = rig.ledger.inspect(key)
    assert found is not None
    assert found.unknown


def test_a_failure_whose_claim_nobody_puts_back_ends(rig: Rig) -> None:
    rig.arrive("a")
    rig.end(rejected("no"))
    rig.ledger.records.clear()  # evicted: the session still stands
    rig.acknowledge()
    asked = rig.ledger.round_trips
    rig.turn(2.0)
    assert rig.ledger.round_trips - asked < 20, "told without end"
    assert rig.committed() == 1


# --- others


def test_a_parked_record_keeps_its_place(clock: Clock) -> None:
    ledger = Ledger(LedgerSettings(session=LEASE), clock)
    former, now = Rig(clock, ledger), Rig(clock, ledger, owner=b"owner--2")
    former.assign(0).arrive("a")
    assert former.running == ["a"]
    now.assign(0).arrive("a", "b", "c")
    for _ in range(5):
        former.session.begin()
        now.turn(0.7)
        assert now.running == [], "overtook the one that another owner still has"
    ledger.retire(b"owner--1")
    now.turn(1.0)
    assert now.report.unknown["owner_died"] == 1
    assert now.work() == ["a", "b", "c"]
    assert now.committed() == 3


def test_a_parked_record_whose_other_owner_succeeds_is_a_duplicate(clock: Clock) -> None:
    ledger = Ledger(LedgerSettings(session=LEASE), clock)
    former, now = Rig(clock, ledger), Rig(clock, ledger, owner=b"owner--2")
    former.assign(0).arrive("a")
    now.assign(0).arrive("a", "b")
    former.end()
    now.turn(1.0)
    assert now.running == ["b"]
    assert now.counts() == {("duplicate", "ledger"): 1}


def test_revoked_while_parked_frees_the_lane(clock: Clock) -> None:
    ledger = Ledger(LedgerSettings(session=LEASE), clock)
    former, now = Rig(clock, ledger), Rig(clock, ledger, owner=b"owner--2", lanes=1)
    former.assign(0).arrive("a")
    now.assign(0, 1).arrive("a")
    now.revoke(0)
    now.arrive("other", partition=1)
    former.session.begin()
    now.turn(1.5)
    assert now.running == ["other"]


# --- rebalances


def test_a_drain_waits_for_what_runs_and_releases_the_rest(rig: Rig) -> None:
    rig.arrive("a", key=b"1")
    busy = rig.units.pop()
    rig.arrive("b", "c", first=1, key=b"1")
    drained = rig.revoke(0)
    assert not drained.done()
    assert entry(rig, "b") is None
    rig.units.append(busy)
    rig.end()
    assert drained.result(0) == {NAME: (1, NOTHING_ABOVE)}
    assert empty(rig)


def test_a_drain_does_not_wait_for_other_partitions_traffic(rig: Rig) -> None:
    rig.arrive("a", "b")
    ended = rig.units.pop()
    drained = rig.revoke(0)
    rig.engine.unit_ended(ended)
    ended.records[0].result = done()
    for number in range(12):  # each turn has something for the ledger
        rig.engine.arrived([message(number, b"o%d" % number, partition=1, key=b"%d" % number)])
        rig.engine._turn(0)
        if drained.done():
            return
    raise AssertionError("the others' traffic held it up")


def test_a_drain_ends_at_once_when_a_retry_would_follow(rig: Rig) -> None:
    rig.arrive("a", "b")
    unit = rig.units.pop()
    drained = rig.revoke(0)
    rig.units.append(unit)
    rig.end(TIMEOUT)
    assert drained.result(0) == {NAME: (0, NOTHING_ABOVE)}
    found = rig.ledger.inspect(rig.state.local.keyspace.key(b"a"))
    assert found is not None
    assert found.unknown  # the mark stays for the next owner
    assert entry(rig, "b") is None
    assert empty(rig)


def test_a_drain_while_a_retry_waits(rig: Rig) -> None:
    rig.arrive("a", "b")
    rig.end(not_done("busy"))
    assert rig.revoke(0).result(0) == {NAME: (0, NOTHING_ABOVE)}
    assert entry(rig, "a") is None
    rig.arrive("other", partition=1)
    rig.turn(2.0)
    assert rig.running == ["other"]


def test_a_drain_gives_back_the_claim_of_an_epoch_before(rig: Rig) -> None:
    """The ledger lost data while it ran, so its claim is of an older epoch than its partition."""
    rig.arrive("a")
    rig.ownership.session_over(lost=True)
    rig.turn(LEASE + 0.1)
    rig.turn()
    rig.end(TIMEOUT)  # waits for its next attempt
    assert rig.revoke(0).result(0) == {NAME: (0, NOTHING_ABOVE)}
    found = rig.ledger.inspect(rig.state.local.keyspace.key(b"a"))
    assert found is not None
    assert found.unknown
    assert not found.owner, "the next owner would wait for it as long as we live"


def test_a_drain_gives_back_claims_that_the_end_of_a_session_made_void(rig: Rig) -> None:
    rig.arrive("a", "b", key=b"1")
    busy = rig.units.pop()
    rig.ledger.away = True
    rig.ownership.session_over(lost=False)
    drained = rig.revoke(0)
    rig.ledger.away = False
    rig.units.append(busy)
    rig.end()
    rig.turn(1.0)
    assert drained.done()
    assert entry(rig, "b") is None


def test_a_drain_ends_at_its_deadline_when_the_ledger_is_away(rig: Rig) -> None:
    rig.arrive("a")
    rig.ledger.away = True
    drained = rig.revoke(0)
    rig.turn(DRAIN - 1)
    assert not drained.done()
    rig.turn(2.0)
    assert drained.result(0) == {NAME: (0, NOTHING_ABOVE)}


def test_a_drain_waits_for_the_letter_of_a_revoked_record(rig: Rig) -> None:
    rig.arrive("a")
    rig.end(rejected("no"))
    drained = rig.revoke(0)
    assert not drained.done()
    rig.acknowledge()
    assert drained.result(0) == {NAME: (1, NOTHING_ABOVE)}
    assert entry(rig, "a") is EntryState.FAILED


def test_lost_partitions_are_read_again_without_a_second_effect(rig: Rig) -> None:
    rig.arrive("a", "b")
    unit = rig.units.pop()
    rig.engine.lost([NAME])
    rig.turn()
    rig.assign(0).arrive("a", "b", "c")
    assert rig.running == []
    assert rig.committed() == 0
    rig.units.append(unit)
    assert rig.end() == ["a"]
    rig.turn(1.0)
    assert rig.work() == ["b", "c"]
    assert rig.committed() == 3
    assert empty(rig)


def test_what_comes_back_undone_after_a_rebalance_runs_before_what_follows(rig: Rig) -> None:
    rig.arrive("a")
    unit = rig.units.pop()
    rig.engine.lost([NAME])
    rig.assign(0).arrive("a", "b")
    rig.units.append(unit)
    rig.end(not_done("busy"))
    rig.turn(2.5)
    assert rig.work() == ["a", "b"]


# --- late and early ends


def test_done_after_all_ends_the_retry_that_waits(rig: Rig) -> None:
    rig.arrive("a", "b")
    [unit] = rig.units
    rig.end(TIMEOUT)
    rig.engine.late(unit.records[0], done())
    rig.turn(2.0)
    assert rig.running == ["b"]
    assert entry(rig, "a") is EntryState.DONE


@pytest.mark.parametrize("second", [not_done("busy"), rejected("no"), TIMEOUT, done()])
def test_done_after_all_outweighs_the_attempt_that_runs(rig: Rig, second: object) -> None:
    rig.arrive("a")
    [unit] = rig.units
    rig.end(TIMEOUT)
    rig.turn(1.1)
    assert rig.running == ["a"]
    rig.engine.late(unit.records[0], done())
    rig.turn()
    rig.end(second)  # type: ignore[arg-type]
    rig.turn(3.0)
    assert rig.running == []
    assert rig.letters == []
    assert rig.committed() == 1
    assert empty(rig)


def test_done_after_all_of_a_revoked_record_is_told_and_counted_once(rig: Rig) -> None:
    rig.arrive("a")
    [unit] = rig.units
    rig.units.clear()
    rig.revoke(0)
    rig.units.append(unit)
    rig.end(TIMEOUT)
    assert empty(rig)
    rig.engine.late(unit.records[0], done())
    rig.turn()
    assert entry(rig, "a") is EntryState.DONE
    assert rig.state.held == 0


# --- flow


def test_room_counts_what_was_handed_over_and_does_not_flap(clock: Clock) -> None:
    rig = Rig(clock, flow={"maxInFlight": 100, "concurrency": {"min": 4, "max": 4}}).assign(0)
    assert rig.engine.room(0.0) == 100
    rig.arrive(*(f"{n}" for n in range(100)), key=None)
    assert rig.engine.room(0.0) == 0
    rig.end()
    assert 0 < rig.state.held < 100
    while rig.state.held > 75:
        assert rig.engine.room(0.0) == 0, "resumed for a handful"
        rig.end()
    assert rig.engine.room(0.0) == 100 - rig.state.held


def test_a_paused_spec_takes_nothing(clock: Clock) -> None:
    assert Rig(clock, paused=True).engine.room(0.0) == 0


def test_an_open_breaker_lets_single_probes_through_and_hoards_no_claims(clock: Clock) -> None:
    rig = Rig(clock, dlq={"breaker": {"failureRatio": 0.5}}).assign(0)
    rig.arrive(*(f"{n}" for n in range(200)), key=None)
    while not rig.breaker.open:
        rig.end(rejected("no"))
        rig.acknowledge()
    rig.units.clear()
    before = rig.state.lanes.claimed
    sizes = []
    for _ in range(before + 6):
        rig.turn(1.1)
        sizes.append(len(rig.running))
        rig.end(rejected("no"))
        rig.acknowledge()
    assert max(sizes) == 1
    assert sum(sizes) >= before
    assert rig.state.lanes.claimed <= max(1, before)


def test_order_in_observe_though_duplicates_need_no_claim(clock: Clock) -> None:
    rig = Rig(clock, mode="Observe").assign(0)
    rig.ledger.before_answer = lambda: rig.engine._dispatch(clock.now)
    rig.arrive("a", "b", "a", "c")
    assert rig.work() == ["a", "b", "a", "c"]
    assert rig.committed() == 4
    assert rig.counts() == {("done", "handler"): 4, ("duplicate", "inflight"): 1}


def test_a_copy_that_observe_let_pass_releases_no_claim_of_the_original(clock: Clock) -> None:
    rig = Rig(clock, mode="Observe").assign(0)
    rig.arrive("a", key=b"1")
    original = rig.units.pop()
    rig.arrive("a", first=1, key=b"1")
    rig.revoke(0)
    assert entry(rig, "a") is EntryState.CLAIMED
    rig.units.append(original)
    rig.end()
    assert entry(rig, "a") is EntryState.DONE


def test_a_probe_that_takes_long_is_the_only_one(clock: Clock) -> None:
    rig = Rig(clock, dlq={"breaker": {"failureRatio": 0.5}}, flow={"concurrency": {"min": 1, "max": 1}})
    rig.assign(0).arrive(*(f"{n}" for n in range(60)), key=None)
    while not rig.breaker.open:
        rig.end(rejected("no"))
        rig.acknowledge()
    rig.engine._concurrency._limit = 8.0
    rig.turn(5.0)
    assert len(rig.running) == 1


# --- a ledger that lost data


def test_what_came_after_the_commit_is_in_doubt_under_other_data(clock: Clock) -> None:
    rig = Rig(clock).assign(0)
    rig.arrive("a")
    _, metadata = rig.poller.commits[NAME]
    rig.ledger.forget()
    heir = Rig(clock, rig.ledger, owner=b"owner--2").assign(0, metadata=metadata)
    heir.arrive("a")
    heir.poller.ends[NAME] = 1
    heir.turn(1.0)
    heir.arrive("b", first=1)
    assert heir.report.metrics.ledger_suspect.value() == 1
    same = Rig(clock, heir.ledger, owner=b"owner--3").assign(0, metadata=heir.poller.commits[NAME][1])
    same.arrive("c")
    assert same.report.metrics.ledger_suspect.value() == 0


def test_a_reasserted_ledger_knows_the_watermarks_again(rig: Rig) -> None:
    rig.arrive("a", "b")
    rig.work()
    assert rig.committed() == 2
    rig.ledger.forget()
    rig.ownership.session_over(lost=True)
    rig.turn(LEASE * 2)
    assert rig.ledger.read_watermarks([(TOPIC_ID, 0)]) == [1]


def test_a_replay_that_is_handed_over_before_its_start_is_a_dead_letter_again(clock: Clock) -> None:
    rig = Rig(clock).assign(0)
    rig.arrive("a")
    while not rig.letters:
        rig.end(TIMEOUT)
        rig.turn(2.0)
    rig.acknowledge()
    rig.assign(0, topic="g.replay")
    rig.arrive("slow", first=1)
    rig.arrive("a", topic="g.replay")
    assert entry(rig, "a") is EntryState.CLAIMED
    rig.engine._mailbox.put(rig.ownership.drain, [TopicPartitionKey("g.replay", 0)], Future())
    rig.turn()
    assert entry(rig, "a") is EntryState.FAILED


def test_what_was_dropped_is_not_reasserted(clock: Clock) -> None:
    rig = Rig(clock).assign(0)
    rig.arrive("slow", key=b"1")
    slow = rig.units.pop()
    rig.arrive("doubtful", first=1, key=b"2")
    rig.end(TIMEOUT)
    rig.units.append(slow)
    rig.revoke(0)  # waits for the slow one
    rig.ledger.forget()
    rig.ownership.session_over(lost=True)
    rig.turn()
    assert entry(rig, "slow") is EntryState.CLAIMED
    assert entry(rig, "doubtful") is None


def test_what_was_released_is_released_again(clock: Clock) -> None:
    rig = Rig(clock).assign(0)
    rig.arrive("slow", "waits")
    replica = dict(rig.ledger.records)
    rig.revoke(0)
    assert entry(rig, "waits") is None
    rig.ledger.records = replica
    rig.ownership.session_over(lost=True)
    rig.turn()
    assert entry(rig, "waits") is None


def test_what_failed_is_failed_again(rig: Rig) -> None:
    rig.arrive("a")
    replica = dict(rig.ledger.records)
    rig.end(rejected("no"))
    rig.acknowledge()
    assert entry(rig, "a") is EntryState.FAILED
    rig.ledger.records = replica
    rig.ownership.session_over(lost=True)
    rig.turn()
    assert entry(rig, "a") is EntryState.FAILED


def test_what_failed_is_failed_again_although_a_copy_waits(rig: Rig) -> None:
    rig.arrive("a")
    replica = dict(rig.ledger.records)
    rig.end(rejected("no"))
    rig.acknowledge()
    rig.ledger.away = True
    rig.arrive("a", first=1)
    rig.ledger.records, rig.ledger.away = replica, False
    rig.ownership.session_over(lost=True)
    rig.turn(2.0)
    assert entry(rig, "a") is EntryState.FAILED


@pytest.mark.parametrize("answered", [True, False])
def test_a_failure_under_way_when_the_loss_is_noticed_is_not_claimed_again(rig: Rig, answered: bool) -> None:
    rig.arrive("a")
    rig.end(rejected("no"))

    def notice() -> None:
        rig.ownership.session_over(lost=True)
        if not answered:
            raise LedgerUnavailable("no answer")

    rig.ledger.before_answer = notice
    rig.acknowledge()
    rig.turn(LEASE * 2)
    assert entry(rig, "a") is EntryState.FAILED


def test_a_server_that_was_replaced_during_our_silence_is_told_again(rig: Rig) -> None:
    """The session just ran out, as it seems; the other server lacks the last writes, and nobody says so."""
    rig.arrive("a", key=b"1")
    slow = rig.units.pop()
    rig.arrive("b", first=1, key=b"2")
    rig.work()
    rig.ledger.forget()
    rig.ownership.session_over(lost=False)
    rig.turn()
    assert entry(rig, "a") is EntryState.CLAIMED
    assert entry(rig, "b") is EntryState.DONE
    rig.turn(LEASE * 2)
    rig.units.append(slow)
    rig.end()
    assert rig.committed() == 2


def test_nothing_is_claimed_before_the_others_have_put_back_theirs(rig: Rig) -> None:
    rig.ledger.forget()
    rig.ownership.session_over(lost=True)
    rig.turn()
    rig.assign(2).arrive("a", partition=2)
    assert rig.running == []
    rig.turn(LEASE)
    assert rig.running == ["a"]


def test_a_large_loss_is_put_back_in_parts(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(books, "_MOST", 2)
    ids = [f"e{n}" for n in range(5)]
    rig.arrive(*ids)
    rig.work()
    rig.arrive("f0", first=5).end(rejected("no"))
    rig.acknowledge()
    rig.ledger.forget()
    rig.ownership.session_over(lost=True)
    rig.turn()
    assert {entry(rig, i) for i in ids} == {EntryState.DONE}


# --- a ledger that was away while the inbox alone decided


def bypassing(clock: Clock, **spec: Any) -> Rig:
    inbox = {"secretRef": "db"}  # pragma: allowlist secret
    return Rig(clock, ledger={"onUnavailable": "Bypass"}, inbox=inbox, **spec)


@pytest.mark.parametrize(
    ("attempt", "state"), [(done(), EntryState.DONE), (rejected("no"), EntryState.FAILED)]
)
def test_the_ledger_is_told_late_how_its_claims_ended(
    clock: Clock, attempt: Attempt, state: EntryState
) -> None:
    rig = bypassing(clock).assign(0)
    rig.arrive("a")
    rig.ledger.away = True
    rig.end(attempt)
    rig.acknowledge()
    assert rig.committed() == 1
    assert entry(rig, "a") is EntryState.CLAIMED
    rig.ledger.away = False
    rig.turn(2.0)
    assert entry(rig, "a") is state
    assert empty(rig)


def test_the_ledger_is_told_late_what_was_given_back(clock: Clock) -> None:
    rig = bypassing(clock).assign(0)
    rig.arrive("slow", "waits")
    rig.ledger.away = True
    rig.revoke(0)
    rig.end()
    assert entry(rig, "waits") is EntryState.CLAIMED
    rig.ledger.away = False
    rig.turn(2.0)
    assert entry(rig, "waits") is None


def test_what_is_owed_to_the_ledger_is_bounded() -> None:
    owed = recent.Owed()
    first, last = (b"first", b"1"), (b"last", b"2")
    owed.add(recent.Ended(done=[first] * recent._MOST_OWED))
    owed.add(recent.Ended(done=[last]))
    assert len(owed) == recent._MOST_OWED
    assert last not in owed.take(recent._MOST_OWED).done
    assert not owed


def test_a_replay_under_way_is_not_failed_for_its_former_failure(rig: Rig) -> None:
    rig.arrive("a")
    rig.end(rejected("no"))
    rig.acknowledge()
    rig.assign(0, topic="g.replay")
    rig.arrive("a", topic="g.replay")
    rig.end(rejected("no"))
    rig.acknowledge()
    rig.arrive("a", first=1, topic="g.replay")
    rig.ownership.session_over(lost=True)
    rig.turn()
    assert entry(rig, "a") is EntryState.CLAIMED


def test_a_paused_spec_claims_nothing_of_what_slipped_in(clock: Clock) -> None:
    rig = Rig(clock, paused=True).assign(0)
    rig.arrive("a")
    assert rig.running == []
    assert entry(rig, "a") is None
