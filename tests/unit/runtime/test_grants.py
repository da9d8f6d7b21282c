"""PerPartition: what the filter proves to be new starts under a grant, and what is not proven is claimed."""

from __future__ import annotations

import pytest

from doublegate.contract.deadletter import DeadLetterReason
from doublegate.contract.states import EntryState, UnknownCause
from doublegate.gate.ledger_types import LedgerSettings
from doublegate.runtime.outcome import not_done, rejected, unknown
from doublegate.runtime.partition import TopicPartitionKey
from tests.unit.runtime.records import TOPIC_ID
from tests.unit.runtime.rig import LEASE, Clock, Ledger, Rig, frozen

NAME = TopicPartitionKey("t", 0)
TOPIC = (TOPIC_ID, 0)
MODE = {"ledger": {"claim": "PerPartition"}, "filter": {"window": "1h"}}
TIMEOUT = unknown("too long", UnknownCause.TIMEOUT)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return frozen(monkeypatch)


@pytest.fixture
def ledger(clock: Clock) -> Ledger:
    return Ledger(LedgerSettings(session=LEASE, crashes=1), clock)


@pytest.fixture
def rig(clock: Clock, ledger: Ledger) -> Rig:
    return Rig(clock, ledger, **MODE).assign(0)


def entry(rig: Rig, event_id: str) -> EntryState | None:
    found = rig.ledger.inspect(rig.state.local.keyspace.key(event_id.encode()))
    return None if found is None else found.state


def grant(ledger: Ledger) -> int | None:
    return ledger.read_grants([TOPIC])[0]


def test_a_new_event_starts_without_a_claim_but_not_before_its_grant(rig: Rig, ledger: Ledger) -> None:
    ledger.before_answer = lambda: rig.engine._dispatch(rig.clock.now)
    rig.arrive("a", "b", key=None)
    assert sorted(rig.running) == ["a", "b"]
    assert entry(rig, "a") is None
    assert grant(ledger) == 1
    rig.work()
    assert entry(rig, "a") is EntryState.DONE
    assert rig.counts() == {("done", "handler"): 2}


def test_nothing_starts_while_the_grant_is_not_written(rig: Rig, ledger: Ledger) -> None:
    ledger.away = True
    rig.arrive("a")
    assert rig.running == []
    ledger.away = False
    rig.turn(1.0)
    assert rig.running == ["a"]
    assert grant(ledger) == 0


def test_a_copy_is_claimed_and_found_done(rig: Rig) -> None:
    rig.arrive("a")
    rig.work()
    rig.state.local.memory.forget_all()
    rig.arrive("a", first=1)
    assert rig.running == []
    assert rig.counts()["duplicate", "ledger"] == 1
    assert rig.committed() == 2


def test_what_a_dead_owner_may_have_started_is_unknown_event_by_event(clock: Clock, ledger: Ledger) -> None:
    dead = Rig(clock, ledger, **MODE).assign(0)
    dead.arrive("a", "b", "c", key=None)
    done = [unit for unit in dead.units if unit.records[0].event_id == b"b"]
    dead.units[:] = done
    dead.end()
    clock.now += LEASE + 1
    heir = Rig(clock, ledger, owner=b"owner--2", **MODE).assign(0)
    heir.arrive("a", "b", "c", "d", key=None)
    assert sorted(heir.running) == ["a", "c", "d"]
    assert heir.report.unknown == {"owner_died": 2}
    assert heir.counts() == {("duplicate", "ledger"): 1}
    assert entry(heir, "a") is EntryState.CLAIMED
    again = {record.event_id: record.unknown for unit in heir.units for record in unit.records}
    assert again == {b"a": True, b"c": True, b"d": False}


def test_an_event_that_kills_its_owners_is_a_dead_letter(clock: Clock, ledger: Ledger) -> None:
    for number in range(3):
        rig = Rig(clock, ledger, owner=b"owner--%d" % number, **MODE).assign(0)
        rig.arrive("a")
        clock.now += LEASE + 1
    [(_, letter)] = rig.letters
    assert letter.reason is DeadLetterReason.UNKNOWN_OUTCOME


def test_a_failure_is_claimed_before_its_letter_is_written(rig: Rig) -> None:
    rig.arrive("a")
    rig.end(rejected("no"))
    [(_, letter)] = rig.letters
    assert letter.reason is DeadLetterReason.FAILED
    assert entry(rig, "a") is EntryState.CLAIMED
    rig.acknowledge()
    assert entry(rig, "a") is EntryState.FAILED
    assert rig.committed() == 1


def test_a_retry_needs_no_claim(rig: Rig) -> None:
    rig.arrive("a", "b")
    rig.end(not_done("busy"))
    rig.turn(1.1)
    assert rig.work() == ["a", "b"]
    assert rig.committed() == 2


def test_a_handed_over_partition_names_nothing_unknown(clock: Clock, rig: Rig, ledger: Ledger) -> None:
    rig.arrive("a", "b", "c")
    [running] = rig.units
    rig.units.clear()
    drained = rig.revoke(0)
    assert not drained.done()
    rig.units.append(running)
    rig.end()
    rig.turn()
    offset, metadata = drained.result(0)[NAME]
    heir = Rig(clock, ledger, owner=b"owner--2", **MODE).assign(0, position=offset, metadata=metadata)
    heir.arrive(*["a", "b", "c", "d"][offset:], first=offset)
    assert heir.report.unknown == {}


def test_what_a_dead_owner_may_have_started_stays_unknown_when_its_heir_gives_it_up_too(
    clock: Clock, ledger: Ledger
) -> None:
    dead = Rig(clock, ledger, batch=True, **MODE).assign(0)
    dead.arrive("a", "b", "c", "d")
    assert dead.running == ["a", "b", "c", "d"]
    clock.now += LEASE + 1
    heir = Rig(clock, ledger, owner=b"owner--2", **MODE).assign(0)
    seen = heir.state.partitions[NAME].seen
    assert seen is not None
    seen.mark_warm()  # as after its topic was read again
    heir.arrive("a", "b", "c")
    heir.arrive("d", first=3)  # enough of its key is claimed, so it has no claim yet
    heir.arrive("e", first=4, key=b"another")
    assert heir.running == ["a", "e"]
    assert (grant(ledger), entry(heir, "d")) == (4, None)
    running, heir.units[:] = list(heir.units), []
    drained = heir.revoke(0)
    heir.units[:] = running
    heir.end()
    heir.turn()
    offset, metadata = drained.result(0)[NAME]
    last = Rig(clock, ledger, owner=b"owner--3", **MODE).assign(0, position=offset, metadata=metadata)
    last.arrive(*["a", "b", "c", "d", "e", "f"][offset:], first=offset, key=None)
    unknown = {r.event_id: r.unknown for unit in last.units for r in unit.records}
    assert unknown == {b"b": True, b"c": True, b"d": True, b"f": False}


def test_an_unknown_attempt_stays_unknown_in_other_hands(clock: Clock, rig: Rig, ledger: Ledger) -> None:
    rig.arrive("a", key=None)
    [unit] = rig.units
    rig.units.clear()
    drained = rig.revoke(0)
    rig.units.append(unit)
    rig.end(TIMEOUT)
    rig.turn()
    assert drained.result(0)[NAME][0] == 0
    heir = Rig(clock, ledger, owner=b"owner--2", **MODE).assign(0)
    heir.arrive("a")
    assert heir.report.unknown == {"owner_died": 1}


def test_a_stale_owners_grant_is_refused(clock: Clock, rig: Rig, ledger: Ledger) -> None:
    heir = Rig(clock, ledger, owner=b"owner--2", **MODE).assign(0)
    rig.poller.refusal = "not the newest generation"
    rig.arrive("a")
    assert rig.running == []
    heir.arrive("a").turn(1.0)
    assert heir.running == ["a"]


def test_a_second_effect_is_noticed_and_ends_the_proof(rig: Rig, ledger: Ledger) -> None:
    """Its copy was done in another partition, which this mode can't see."""
    other = Rig(rig.clock, ledger, owner=b"owner--2", **MODE).assign(1)
    other.arrive("a", partition=1)
    other.work()
    rig.arrive("a")
    assert rig.work() == ["a"]
    assert rig.report.metrics.ledger_suspect.value() == 1
    rig.arrive("b", first=1)
    assert entry(rig, "b") is EntryState.CLAIMED


def test_modes_can_be_switched(clock: Clock, ledger: Ledger) -> None:
    """A member that claims every event heeds the grant of one that does not, and the other way round."""
    fast = Rig(clock, ledger, **MODE).assign(0)
    fast.arrive("a")
    clock.now += LEASE + 1
    careful = Rig(clock, ledger, owner=b"owner--2").assign(0)
    careful.arrive("a", "b")
    assert careful.report.unknown == {"owner_died": 1}
    clock.now += LEASE + 1
    _, metadata = careful.poller.commits[NAME]
    fast = Rig(clock, ledger, owner=b"owner--3", **MODE).assign(0, metadata=metadata)
    fast.arrive("a", "b")
    assert fast.report.unknown["owner_died"] == 2
    assert [letter.reason for _, letter in fast.letters] == [DeadLetterReason.UNKNOWN_OUTCOME]


def test_a_loss_of_data_puts_running_grants_back_as_claims(rig: Rig, ledger: Ledger) -> None:
    rig.arrive("a", "b", key=None)
    ledger.forget()
    rig.ownership.session_over(lost=True)
    rig.turn(LEASE * 2)
    assert entry(rig, "a") is EntryState.CLAIMED
    rig.arrive("c", first=2)
    assert sorted(rig.running) == ["a", "b", "c"]
    rig.work()
    assert rig.committed() == 3


def test_what_is_claimed_and_what_is_granted_keep_their_order(rig: Rig) -> None:
    """A copy that was rejected elsewhere makes its first record a suspect; the next of its key is proven."""
    seen = rig.state.partitions[NAME].seen
    assert seen is not None
    seen.learn([rig.state.local.keyspace.key(b"a")])
    rig.arrive("a", "b", "c")
    assert entry(rig, "a") is EntryState.CLAIMED
    assert rig.work() == ["a", "b", "c"]
