"""What is promised over restarts, replays and long times, on the real servers."""

from __future__ import annotations

import threading
import time
from collections import Counter
from typing import TYPE_CHECKING, Any, Self

import pytest

from doublegate.contract.identity import header_reader
from doublegate.contract.resource import parse_consumer
from doublegate.deadletters.replay import Replay
from doublegate.deadletters.selection import Selection
from doublegate.runtime.event import Event
from doublegate.runtime.outcome import Reject
from tests.consumers import Group, Member, header
from tests.helpers import eventually

if TYPE_CHECKING:
    from collections.abc import Callable

SHORT = {"ttl": "1s"}
PROVING = {"ledger": {"claim": "PerPartition", "ttl": "1m"}, "filter": {"window": "1m"}}
SLACK = 1.5


def recorder(group: Group, seconds: float = 0.0) -> Callable[[Event[bytes]], None]:
    def handle(event: Event[bytes]) -> None:
        time.sleep(seconds)
        group.effects.add(event.id)

    return handle


def replay(group: Group, name: str) -> int:
    identity = parse_consumer(group.resource("m:h")).spec.identity
    selection = Selection(accept_unknown=True)
    read_id = header_reader(identity)
    return Replay(group.config, group.dlq, group.name, identity, read_id, selection, name).run().replayed


def replayed(group: Group, member: Member, count: int) -> None:
    def passed() -> bool:
        parts = [p for p in member.status()["partitions"] if p["topic"] == group.replay]
        return sum(p["committed"] for p in parts) == count

    eventually(passed)


def wait_for_expiry(group: Group, redis_client: Any) -> None:
    """The DONE entries are gone."""
    eventually(lambda: not any(len(key) == 23 for key in redis_client.scan_iter(count=1000)))


# --- reading everything again


@pytest.mark.parametrize("expired", [False, True])
def test_a_full_replay_performs_nothing_within_the_ttl_and_after_it(
    group: Group, redis_client: Any, expired: bool
) -> None:
    group.send_many(200)
    group.start(recorder(group), ledger=SHORT if expired else {})
    group.wait_committed()
    group.stop()
    if expired:
        wait_for_expiry(group, redis_client)
    group.reset(0)
    group.start(recorder(group), ledger=SHORT)
    group.wait_committed()
    assert len(group.effects) == 200


def test_an_order_runs_its_range_again_and_only_once(group: Group) -> None:
    for number in range(30):
        group.send(f"e-{number}", key=b"k", partition=0)
    group.flush()
    group.start(recorder(group))
    group.wait_committed()
    group.stop()
    order = {"id": "march", "ranges": [{"partition": 0, "fromOffset": 10, "toOffset": 15}]}
    wanted = [f"e-{number}" for number in range(10, 15)]
    for _ in range(2):
        group.start(recorder(group), reprocess=order)
        eventually(lambda: len(group.effects) >= 35)
        group.wait_committed()
        group.stop()
    again = group.effects.ids[30:]
    assert again == wanted
    assert group.committed() == {0: 30}


# --- dead letters


def test_a_replay_keeps_headers_and_trace_and_other_groups_see_nothing_of_it(
    group: Group, redis_client: Any
) -> None:
    broken = True
    headers = [
        ("traceparent", b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"),
        ("shop", b"\x00\xff"),
        ("shop", None),
    ]

    def handle(event: Event[bytes]) -> None:
        if broken:
            raise Reject("broken")
        group.effects.add(event.id)

    for number in range(20):
        group.send(f"e-{number}", key=b"k%d" % number, headers=headers)
    group.flush()
    before = group.ends(group.topic)
    spec = {"ledger": SHORT, "dlq": {"retention": "1h"}}
    member = group.start(handle, **spec)
    group.wait_committed()
    for letter in group.letters():
        own = [h for h in letter.headers() or [] if not h[0].startswith("dg-")]
        assert own == [("correlation_id", header(letter, "correlation_id").encode()), *headers]
    broken = False
    assert replay(group, "one") == 20
    replayed(group, member, 20)
    assert len(group.effects) == 20
    time.sleep(SLACK)  # the TTL of DONE passes; after a failure it counts as long as the letter
    assert replay(group, "two") == 20
    replayed(group, member, 40)
    assert Counter(group.effects.ids) == {f"e-{n}": 1 for n in range(20)}
    assert group.ends(group.topic) == before
    sent = [m for m in group.read(group.replay) if header(m, "dg-replay-id") == "one"]
    assert {header(m, "traceparent") for m in sent} == {headers[0][1].decode()}  # type: ignore[union-attr]


def test_parked_keys_keep_their_order_through_dlq_and_replay(group: Group) -> None:
    broken = True

    def handle(event: Event[bytes]) -> None:
        if broken and event.id == "k1-3":
            raise Reject("broken")
        group.effects.add(event.id)

    for number in range(12):
        for key in (b"k0", b"k1", b"k2"):
            group.send(f"{key.decode()}-{number}", key=key)
    group.flush()
    spec = {"kafka": {"onFailure": "ParkKey"}}
    first = group.start(handle, **spec)
    group.wait_committed()
    assert sorted(group.reasons()) == sorted(
        [("k1-3", "failed"), *((f"k1-{number}", "parked") for number in range(4, 12))]
    )
    broken = False
    second = group.start(handle, **spec)
    eventually(lambda: first.ready and second.ready and second.partitions > 0)
    group.send("k1-12", key=b"k1")
    group.flush()
    group.wait_committed()
    assert ("k1-12", "parked") in group.reasons()
    assert replay(group, "one") == 10
    eventually(lambda: len(group.effects) == 37)
    group.send("k1-13", key=b"k1")
    group.flush()
    eventually(lambda: len(group.effects) == 38)
    for key in ("k0", "k1", "k2"):
        mine = [event_id for event_id in group.effects.ids if event_id.startswith(key)]
        assert mine == sorted(mine, key=lambda e: int(e.split("-")[1]))


# --- restarts under load


class Load:
    """Sends on until it is told to end."""

    def __init__(self, group: Group) -> None:
        self._group = group
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._send, daemon=True)
        self.sent: list[str] = []

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()
        self._group.flush()

    def _send(self) -> None:
        while not self._ended.wait(0.01):
            number = len(self.sent)
            self.sent.append(f"e-{number}")
            self._group.send(f"e-{number}", key=b"k%d" % (number % 50))


def restart(group: Group, member: Member, handle: Callable[[Event[bytes]], None], **spec: Any) -> Member:
    """One member goes, another comes and is ready."""
    group.members.remove(member)
    member.stop()
    fresh = group.start(handle, **spec)
    eventually(lambda: all(m.ready and m.partitions > 0 for m in group.members))
    return fresh


@pytest.mark.parametrize(
    ("before", "after"),
    [({}, {}), (PROVING, PROVING), ({}, PROVING), (PROVING, {})],
    ids=["PerEvent", "PerPartition", "to PerPartition", "to PerEvent"],
)
def test_a_rolling_restart_under_load_re_processes_nothing(
    group: Group, before: dict[str, Any], after: dict[str, Any]
) -> None:
    """Also one that switches the claim mode."""
    handle = recorder(group, 0.002)
    old = [group.start(handle, **before) for _ in range(2)]
    eventually(lambda: all(m.ready and m.partitions > 0 for m in old))
    unknown: Counter[str] = Counter()
    with Load(group) as load:
        for member in old:
            eventually(lambda: len(load.sent) - len(group.effects) < 200)
            unknown.update(member.status()["unknownOutcomes"])
            restart(group, member, handle, **after)
    group.wait_committed()
    for member in group.members:
        unknown.update(member.status()["unknownOutcomes"])
    assert group.effects.more_than_once() == {}
    assert sorted(group.effects.ids) == sorted(load.sent)
    assert unknown == {}


# --- the local gate


def test_near_duplicates_need_no_network_in_a_steady_group(group: Group) -> None:
    """Within the span that exact memory is sized for; after a rebalance it has to learn again."""
    members = [group.start(recorder(group), filter={"exactEntries": 5000}) for _ in range(2)]
    eventually(lambda: all(m.ready and m.partitions > 0 for m in members))
    sent = group.send_many(2000, keys=200)
    eventually(lambda: len(group.effects) == 2000)
    eventually(lambda: sum(m.status()["memory"]["entries"] for m in members) == 2000)

    def again() -> tuple[int, int]:
        before = group.counts()
        for number, event_id in enumerate(sent):
            group.send(event_id, key=b"k%d" % (number % 200))
        group.flush()
        group.wait_committed()
        counts = group.counts() - before
        by_gate = {gate: n for (decision, gate), n in counts.items() if decision == "duplicate"}
        return sum(by_gate.values()), by_gate.get("memory", 0) + by_gate.get("inflight", 0)

    duplicates, local = again()
    assert duplicates == 2000
    assert local >= 0.99 * duplicates
    third = group.start(recorder(group), filter={"exactEntries": 5000})
    eventually(lambda: third.ready and third.partitions > 0)
    duplicates, local = again()
    print(f"after a rebalance {local / duplicates:.1%} of the duplicates needed no network")
    assert len(group.effects) == 2000


def test_a_filter_far_over_its_load_says_so_and_correctness_does_not_change(group: Group) -> None:
    """Ten times what it is sized for: it rotates early, and keeps its rate of false positives or its word."""
    tiny = {"expectedRate": 100, "window": "1m", "falsePositiveRate": 0.01, "exactEntries": 1}
    member = group.start(recorder(group), filter=tiny)
    sent = group.send_many(20_000, keys=500)  # 5,000 a partition, of 1,500 within the window
    group.wait_committed(60)
    assert sorted(group.effects.ids) == sorted(sent)
    said = member.status()["filter"]
    assert said["saturated"] or said["observedFalsePositiveRate"] <= 0.02
    assert said["observedFalsePositiveRate"] <= 0.02
    group.send_many(200, keys=500)
    group.wait_committed()
    assert len(group.effects) == 20_000
