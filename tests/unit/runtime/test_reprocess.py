"""`spec.reprocess`: a range runs again on purpose, once, and nothing else does."""

from __future__ import annotations

from typing import Any

import pytest

from doublegate.contract.headers import REPROCESS
from doublegate.runtime.event import Context, Event
from doublegate.runtime.outcome import rejected
from doublegate.runtime.partition import Finished, TopicPartitionKey, decode_metadata
from doublegate.runtime.reprocess import rewind
from tests.unit.runtime.records import partition
from tests.unit.runtime.rig import LEASE, Clock, Rig, frozen

NAME = TopicPartitionKey("t", 0)
IDS = [f"e{number}" for number in range(10)]


def ordered(*spans: tuple[int, int], name: str = "again") -> dict[str, Any]:
    ranges = [{"partition": 0, "fromOffset": first, "toOffset": end} for first, end in spans]
    return {"reprocess": {"id": name, "ranges": ranges}}


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return frozen(monkeypatch)


@pytest.fixture
def first(clock: Clock) -> Rig:
    """Everything was performed once; its owner is gone."""
    rig = Rig(clock).assign(0)
    rig.arrive(*IDS, key=None)
    assert sorted(rig.work()) == IDS
    assert rig.committed() == 10
    clock.now += LEASE + 1
    return rig


def heir(first: Rig, owner: bytes, **spec: Any) -> Rig:
    """A new process that starts at the last commit, and is sent back by itself."""
    offset, metadata = first.poller.commits[NAME]
    rig = Rig(first.clock, first.ledger, owner=owner, **spec).assign(0, position=offset, metadata=metadata)
    start = rig.poller.sought[0][1] if rig.poller.sought else offset
    return rig.arrive(*IDS[start:], first=start, key=None)


def performed(rig: Rig) -> list[str]:
    return sorted(rig.work())


def test_the_range_is_performed_and_nothing_else(first: Rig) -> None:
    rig = heir(first, b"owner--2", **ordered((2, 4), (6, 7)))
    assert rig.poller.sought == [(NAME, 2)]
    assert performed(rig) == ["e2", "e3", "e6"]
    assert rig.committed() == 10


def test_an_order_is_carried_out_once(first: Rig) -> None:
    spec = ordered((2, 5))
    rig = heir(first, b"owner--2", **spec)
    assert performed(rig) == ["e2", "e3", "e4"]
    rig.committed()
    again = heir(rig, b"owner--3", **spec)
    assert again.poller.sought == []
    assert performed(again) == []
    assert performed(heir(rig, b"owner--4", **ordered((2, 5), name="once-more"))) == ["e2", "e3", "e4"]


def test_a_crash_within_an_order_re_runs_nothing_of_it(first: Rig) -> None:
    spec = ordered((2, 6))
    rig = heir(first, b"owner--2", **spec)
    rig.units[:] = rig.units[:2]
    done = rig.running
    rig.end()
    rig.committed()
    rig.clock.now += LEASE + 1
    left = heir(rig, b"owner--3", **spec)
    assert performed(left) == sorted({"e2", "e3", "e4", "e5"} - set(done))


def test_what_lies_between_stays_finished_though_the_ledger_forgets(first: Rig) -> None:
    first.ledger.forget()
    rig = heir(first, b"owner--2", **ordered((2, 3)))
    assert performed(rig) == ["e2"]


def test_a_dead_letter_of_an_order_is_replayed_under_it(first: Rig) -> None:
    rig = heir(first, b"owner--2", **ordered((2, 3)))
    rig.end(rejected("no"))
    [(record, letter)] = rig.letters
    headers = letter.to_headers(record.headers)
    assert (REPROCESS, b"again") in headers
    rig.acknowledge()
    rig.assign(0, topic="g.replay")
    rig.arrive("e2", topic="g.replay", key=None)
    assert performed(rig) == []  # without the order's name it is the first event, which is DONE
    rig.arrive("e2", topic="g.replay", first=1, key=None, headers=[(REPROCESS, b"again")])
    assert performed(rig) == ["e2"]


def test_the_far_side_sees_another_key() -> None:
    def event(order: str) -> Event[bytes]:
        return Event("a/b", b"", None, [], "t", 0, 0, 0, 1, False, 1, order)

    context = Context("g")
    assert context.idempotency_key(event("")) == "g:a%2Fb"
    assert context.idempotency_key(event("again")) == "g:a%2Fb:again"


def test_a_range_ahead_needs_no_way_back() -> None:
    part = partition(position=10)
    part.again = Finished([(12, 20)])
    assert rewind(part) is None
    assert part.delivered == 10


def test_the_way_back_keeps_what_was_finished_above_the_commit() -> None:
    part = partition(position=10, finished=Finished([(12, 14)]))
    part.again = Finished([(3, 5), (8, 9)])
    assert rewind(part) == 3
    _, finished = decode_metadata(3, part.metadata(""))
    assert finished.above(0) == [(5, 8), (9, 10), (12, 14)]
