"""A ledger that loses data while something else happens: nothing stays claimed for ever, or is forgotten."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from doublegate.contract.states import EntryState
from doublegate.gate.ledger_errors import LedgerUnavailable
from doublegate.runtime.outcome import rejected
from doublegate.runtime.partition import TopicPartitionKey
from tests.unit.runtime.records import TOPIC_ID
from tests.unit.runtime.rig import LEASE, Clock, Rig, frozen
from tests.unit.runtime.test_engine import bypassing, entry

NAME = TopicPartitionKey("t", 0)
ONE = {"concurrency": {"min": 1, "max": 1}}
KAFKA = {"bootstrapServers": "b:1", "topic": "t", "group": "g"}
LONG = 70.0
"""Seconds: more than what was told is remembered for."""


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return frozen(monkeypatch)


@pytest.fixture
def rig(clock: Clock) -> Rig:
    return Rig(clock).assign(0)


def lose(rig: Rig) -> None:
    """Everything, and it is noticed."""
    rig.ledger.forget()
    rig.ownership.session_over(lost=True)


def test_data_that_the_same_server_lost_during_our_silence_is_put_back(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rig.ledger, "identity", lambda: "same")
    rig.session.recognise()
    rig.session.begin()
    rig.arrive("slow")
    rig.ledger.forget()
    rig.ownership.session_over(lost=False)
    rig.turn(1.0)
    assert entry(rig, "slow") is EntryState.CLAIMED


def test_a_long_absence_does_not_make_the_last_writes_old(rig: Rig) -> None:
    rig.arrive("a", "d")
    replica = dict(rig.ledger.records)
    rig.end(rejected("no"))
    rig.acknowledge()
    rig.work()
    rig.ledger.away = True
    rig.turn(LONG)
    rig.ledger.records, rig.ledger.away = replica, False
    rig.ownership.session_over(lost=True)
    rig.turn(LEASE)
    assert entry(rig, "a") is EntryState.FAILED
    assert entry(rig, "d") is EntryState.DONE


@pytest.mark.parametrize("named", [True, False], ids=["another server", "the same server"])
def test_data_that_is_lost_again_is_put_back_again(
    rig: Rig, named: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not named:
        monkeypatch.setattr(rig.ledger, "identity", lambda: "same")
        rig.session.recognise()
    rig.arrive("slow")
    lose(rig)
    rig.turn(LEASE / 4)
    assert entry(rig, "slow") is EntryState.CLAIMED
    rig.ledger.forget()
    rig.turn(LEASE / 2)
    assert entry(rig, "slow") is EntryState.CLAIMED
    rig.turn(LEASE * 2)
    rig.end()
    assert rig.committed() == 1


def test_a_ledger_that_goes_on_losing_data_is_not_asked_without_a_pause(rig: Rig) -> None:
    rig.arrive("a")
    lose(rig)
    rig.turn(LEASE / 4)
    rig.ledger.forget()
    rig.end(rejected("no"))
    before = rig.ledger.round_trips
    rig.acknowledge()
    rig.turn()
    assert rig.ledger.round_trips - before < 10
    rig.turn(LEASE * 3)
    assert entry(rig, "a") is EntryState.FAILED
    assert rig.committed() == 1


def test_nothing_is_told_between_two_attempts_to_put_back(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """A failure would find no claim, in a session that is there again, and count as told."""
    rig.arrive("a")
    whole = rig.ledger.reassert

    def cut_off(owner: bytes, *_: Any) -> None:
        rig.ledger.register(owner)
        raise LedgerUnavailable("cut off")

    monkeypatch.setattr(rig.ledger, "reassert", cut_off)
    lose(rig)
    rig.turn()
    rig.end(rejected("no"))
    rig.acknowledge()
    monkeypatch.setattr(rig.ledger, "reassert", whole)
    rig.turn(LEASE * 3)
    assert entry(rig, "a") is EntryState.FAILED
    assert rig.committed() == 1


def test_a_grant_that_was_under_way_is_void(clock: Clock) -> None:
    rig = Rig(clock, ledger={"claim": "PerPartition"}, filter={"window": "2h"}).assign(0)
    rig.ledger.before_answer = lambda: lose(rig)
    rig.arrive("a", "b")
    rig.turn(LEASE * 2)
    [granted] = rig.ledger.read_grants([(TOPIC_ID, 0)])
    assert rig.state.partitions[NAME].grant == (-1 if granted is None else granted)
    assert rig.running == ["a"]
    assert granted is not None or entry(rig, "a") is EntryState.CLAIMED


def test_the_session_lives_while_the_others_put_back_theirs(rig: Rig) -> None:
    rig.arrive("slow")
    lose(rig)
    rig.turn(LEASE * 0.9)
    assert rig.ownership.suspended
    rig.clock.now += LEASE / 2  # longer than a lease after it was put back, less after the last beat
    assert rig.ledger._alive(b"owner--1")


def test_a_confirmation_from_before_the_loss_proves_nothing(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    late: list[Any] = []
    monkeypatch.setattr(rig.poller, "confirm", lambda _, told: late.append(told))
    rig.ownership.session_over(lost=False)
    rig.turn()
    lose(rig)
    rig.turn(LEASE * 2)
    monkeypatch.undo()
    frozen(monkeypatch).now = rig.clock.now
    late[0](None)
    rig.turn()
    rig.arrive("a")
    assert rig.running == ["a"]
    assert not rig.ownership.suspended


def test_a_copy_that_leaves_its_line_is_done_again_after_a_loss(
    clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    rig = Rig(clock, kafka={**KAFKA, "onFailure": "ParkKey"}).assign(0)
    rig.arrive("a")
    rig.end(rejected("no"))
    rig.acknowledge()
    rig.assign(0, topic="g.replay")
    rig.arrive("a", topic="g.replay")
    whole = rig.ledger.unpark

    def away(_: Any) -> None:
        raise LedgerUnavailable("away")

    monkeypatch.setattr(rig.ledger, "unpark", away)
    rig.end()  # it is DONE, and its owner ends before it left the line
    heir = Rig(clock, rig.ledger, owner=b"owner--2", kafka={**KAFKA, "onFailure": "ParkKey"})
    heir.assign(0, topic="g.replay").arrive("a", topic="g.replay")
    lose(heir)
    heir.turn()
    monkeypatch.setattr(rig.ledger, "unpark", whole)
    heir.turn(LEASE * 2)
    assert entry(heir, "a") is EntryState.DONE
    assert not heir.state.held


def test_a_partition_that_leaves_meanwhile_is_no_further_loss(clock: Clock) -> None:
    rig = Rig(clock, ledger={"claim": "PerPartition"}, filter={"window": "2h"}).assign(0, 1)
    rig.arrive("a")
    rig.end()
    rig.turn(1.0)
    lose(rig)
    rig.turn(1.0)
    assert rig.revoke(0).done()
    rig.turn(LEASE - 1.0)  # one lease after the loss, and not one after the hand-over
    assert not rig.ownership.suspended


def test_a_session_that_began_too_late_for_a_loss_is_void(
    clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its server's name is forgotten with the second loss, and would be written into no commit any more."""
    rig = Rig(clock).assign(0)
    monkeypatch.setattr(rig.ledger, "identity", lambda: "same")
    rig.session.recognise()
    rig.arrive("slow")
    lose(rig)
    rig.turn(LEASE / 4)
    late: list[Any] = []
    thread = rig.books._thread
    slow: Any = SimpleNamespace(submit=late.append)
    while not late:  # the wait is over, and the ledger's thread is busy
        rig.clock.now += 0.5
        rig.session.beat()
        rig.books._thread = slow if rig.clock.now >= 1000 + 0.9 * LEASE else thread
        rig.engine._turn(0)
    rig.ledger.forget()
    rig.session.beat()
    rig.engine._turn(0)
    rig.books._thread = thread
    for task in late:
        task()
    rig.turn(LEASE * 2)
    assert rig.state.data
    assert rig.state.data == rig.session.data


# --- a key's order


def crowded(clock: Clock, rig: Rig | None = None) -> Rig:
    """One worker, which is busy; what comes first of a key has its claim."""
    rig = (rig or Rig(clock, flow=ONE)).assign(0)
    rig.arrive("busy", key=b"other")
    rig.arrive("first", first=1)
    return rig


def performed(rig: Rig) -> list[str]:
    """All that comes."""
    done = []
    for _ in range(30):
        done += rig.end()
        rig.turn(LEASE / 4)
    return done


@pytest.mark.parametrize("bypass", [True, False])
@pytest.mark.parametrize("lost", [True, False])
def test_a_key_keeps_its_order_when_its_session_ends_and_an_exchange_fails(
    clock: Clock, lost: bool, bypass: bool
) -> None:
    rig = crowded(clock, bypassing(clock, flow=ONE) if bypass else None)

    def notice() -> None:
        rig.ownership.session_over(lost=lost)
        raise LedgerUnavailable("no answer")

    rig.ledger.before_answer = notice
    rig.arrive("second", first=2)
    assert performed(rig) == ["busy", "first", "second"]


def test_a_key_keeps_its_order_when_the_ledger_is_away_for_longer_than_the_lease(clock: Clock) -> None:
    rig = crowded(clock)
    rig.ledger.away = True
    rig.arrive("second", first=2)
    rig.turn(LEASE * 2)
    rig.ledger.away = False
    assert performed(rig) == ["busy", "first", "second"]


def test_a_key_keeps_its_order_when_somebody_took_the_epoch(clock: Clock) -> None:
    rig = crowded(clock)
    rig.ledger.take_epochs([(TOPIC_ID, 0)])
    rig.arrive("second", first=2)
    rig.turn(LEASE / 4)
    assert performed(rig) == ["busy", "first", "second"]
