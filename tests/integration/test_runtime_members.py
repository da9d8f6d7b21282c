"""Members that come, go, stop and die: nothing is lost, and no effect happens twice by our hand."""

from __future__ import annotations

import signal
import time
from collections import Counter
from typing import TYPE_CHECKING

from doublegate.contract.identity import header_reader
from doublegate.contract.resource import parse_consumer
from doublegate.deadletters.replay import Replay
from doublegate.deadletters.selection import Selection
from doublegate.runtime.event import Event
from doublegate.runtime.outcome import Reject
from doublegate.runtime.partition import decode_metadata
from tests.consumers import Group, Member, header
from tests.helpers import eventually

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import redis

WIDE = {"concurrency": {"min": 8, "max": 8}}
LOGGED = """
import os, time
from doublegate import Event

def handle(event: Event[bytes]) -> None:
    write("start " + event.id)
    time.sleep({seconds})
    write("end " + event.id)

def write(line):
    fd = os.open({path!r}, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(fd, (line + f" {{os.getpid()}} {{time.monotonic()}}" + chr(10)).encode())
    os.close(fd)
"""


def recorder(group: Group, seconds: float = 0.0) -> Callable[[Event[bytes]], None]:
    def handle(event: Event[bytes]) -> None:
        if seconds:
            time.sleep(seconds)
        group.effects.add(event.id)

    return handle


class Log:
    """What handlers in processes of their own did: (what, id, pid, when)."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def source(self, seconds: object = 0.0) -> str:
        return LOGGED.format(seconds=seconds, path=str(self.path))

    def lines(self, what: str) -> list[tuple[str, int, float]]:
        if not self.path.exists():
            return []
        split = [line.split() for line in self.path.read_text().splitlines()]
        return [(line[1], int(line[2]), float(line[3])) for line in split if line[0] == what]

    def ids(self, what: str) -> Counter[str]:
        return Counter(event_id for event_id, _, _ in self.lines(what))


def test_a_full_replay_from_offset_0_performs_nothing(group: Group) -> None:
    group.send_many(200)
    group.start(recorder(group))
    group.wait_committed()
    group.stop()
    group.reset(0)
    member = group.start(recorder(group))
    group.wait_committed()
    assert len(group.effects) == 200
    assert member.counts == {("duplicate", "watermark"): 200}


def test_a_crash_behind_a_slow_key_runs_nothing_again(group: Group, redis_client: redis.Redis) -> None:
    """What finished above the commit travels in its metadata, and needs no ledger."""
    log = Log(group.folder / "effects")
    group.send("slow", key=b"slow", partition=0)
    for number in range(100):
        group.send(f"e-{number}", key=b"k%d" % number, partition=0)
    group.flush()
    member = group.spawn(log.source("60 if event.id == 'slow' else 0"), handler={"timeout": "70s"}, flow=WIDE)

    def known() -> set[str]:
        finished = decode_metadata(0, group.committed_metadata(0))[1]
        return {f"e-{number}" for number in range(100) if number + 1 in finished}

    eventually(lambda: len(known()) > 70)  # a few wait in the slow one's lane
    assert group.committed() == {}
    assert member.child is not None
    member.signal(signal.SIGKILL)
    member.child.wait()
    redis_client.flushall()
    before = known()
    assert before <= set(log.ids("end"))
    member = group.start(recorder(group))
    group.wait_committed()
    assert set(group.effects.ids) == {"slow", *(f"e-{n}" for n in range(100))} - before
    assert member.counts == {("duplicate", "commit"): len(before), ("done", "handler"): 101 - len(before)}


def test_a_restart_in_the_middle_runs_nothing_again(group: Group) -> None:
    group.send_many(300)
    group.start(recorder(group, 0.005))
    eventually(lambda: len(group.effects) > 60, interval=0.01)
    group.stop()
    assert len(group.effects) < 300
    member = group.start(recorder(group))
    group.wait_committed()
    assert group.effects.more_than_once() == {}
    assert len(group.effects) == 300
    assert member.status()["unknownOutcomes"] == {}


def test_members_that_join_and_leave_under_load(group: Group) -> None:
    sent = group.send_many(300, prefix="a")
    first = group.start(recorder(group, 0.004))
    eventually(lambda: len(group.effects) > 20, interval=0.01)
    second = group.start(recorder(group, 0.004))
    eventually(lambda: shared(first, second))
    sent += group.send_many(300, prefix="b")
    eventually(lambda: second.counts.get(("done", "handler"), 0) > 20)
    counts = Counter(second.counts)
    group.members.remove(second)
    second.stop()
    group.wait_committed()
    assert group.effects.more_than_once() == {}
    assert sorted(group.effects.ids) == sorted(sent)
    assert first.counts["done", "handler"] + counts["done", "handler"] <= 600
    assert group.letters() == []


def test_sigterm_drains(group: Group) -> None:
    log = Log(group.folder / "effects")
    group.send_many(60, keys=60)
    member = group.spawn(log.source(0.3))
    eventually(lambda: len(log.lines("start")) > 4)
    member.signal(signal.SIGTERM)
    assert member.child is not None
    assert member.child.wait(15) == 0
    assert log.ids("start") == log.ids("end")  # what started has ended
    started = len(log.ids("start"))
    assert started < 60
    group.start(recorder(group))
    group.wait_committed()
    assert len(group.effects) == 60 - started
    assert not set(group.effects.ids) & set(log.ids("start"))


def test_sigkill_of_one_of_two_names_what_is_unknown(group: Group) -> None:
    log = Log(group.folder / "effects")
    victim, survivor = group.spawn(log.source(0.05)), group.spawn(log.source(0.05))
    eventually(lambda: shared(victim, survivor))
    sent = group.send_many(240, keys=240)
    eventually(lambda: len({pid for _, pid, _ in log.lines("end")}) == 2, interval=0.02)
    assert victim.child is not None
    victim.signal(signal.SIGKILL)
    victim.child.wait()
    sent += group.send_many(40, prefix="later")
    eventually(lambda: set(log.ids("end")) == set(sent))
    group.members.remove(victim)
    group.wait_committed()
    again = {event_id for event_id, n in log.ids("start").items() if n > 1}
    unknown = survivor.status()["unknownOutcomes"].get("owner_died", 0)
    assert len(again) <= unknown  # claimed and not started yet counts, too
    assert unknown < 60
    dead = victim.child.pid
    assert all(pid == dead for event_id, pid, _ in log.lines("start") if event_id in again) or all(
        dead in {pid for other, pid, _ in log.lines("start") if other == event_id} for event_id in again
    )


def test_no_effect_starts_under_a_dead_session(group: Group) -> None:
    """SIGSTOP beyond the lease, then SIGCONT: the others have taken over meanwhile."""
    log = Log(group.folder / "effects")
    paused, other = group.spawn(log.source(0.05)), group.spawn(log.source(0.05))
    eventually(lambda: shared(paused, other))
    sent = group.send_many(240, keys=240)
    eventually(lambda: len({pid for _, pid, _ in log.lines("end")}) == 2, interval=0.02)
    paused.signal(signal.SIGSTOP)
    eventually(lambda: other.partitions == 4)
    eventually(lambda: set(log.ids("start")) == set(sent))
    at = time.monotonic()
    paused.signal(signal.SIGCONT)
    eventually(lambda: paused.ready and paused.partitions > 0)
    more = group.send_many(50, prefix="more")
    eventually(lambda: set(log.ids("end")) == {*sent, *more})
    group.wait_committed()
    assert paused.child is not None
    mine = [event_id for event_id, pid, when in log.lines("start") if pid == paused.child.pid and when > at]
    assert set(mine) <= set(more)
    twice = {event_id for event_id, n in log.ids("start").items() if n > 1}
    assert len(twice) <= other.status()["unknownOutcomes"].get("owner_died", 0)
    assert not twice & set(more)


def test_a_dlq_replay_after_the_fix_performs_once(group: Group) -> None:
    broken = True

    def handle(event: Event[bytes]) -> None:
        if broken:
            raise Reject("broken")
        group.effects.add(event.id)

    sent = group.send_many(30)
    member = group.start(handle)
    group.wait_committed()
    assert len(group.letters()) == 30
    broken = False
    identity = parse_consumer(group.resource("m:h")).spec.identity

    def replay(name: str) -> int:
        return (
            Replay(group.config, group.dlq, group.name, identity, header_reader(identity), Selection(), name)
            .run()
            .replayed
        )

    assert replay("one") == 30
    eventually(lambda: sorted(group.effects.ids) == sorted(sent))
    replay("two")
    eventually(lambda: sum(p["committed"] for p in replayed(member.status(), group)) == 60)
    assert group.effects.more_than_once() == {}
    assert {header(m, "dg-dlq-reason") for m in group.letters()} == {"failed"}
    assert len(group.letters()) == 30


def shared(*members: Member) -> bool:
    """Every member has its part of the source, and nobody waits."""
    parts = [member.partitions for member in members]
    return sum(parts) == 4 and min(parts) > 0 and all(member.ready for member in members)


def replayed(status: dict, group: Group) -> list[dict]:
    return [p for p in status["partitions"] if p["topic"] == group.replay]


def test_observe_suppresses_nothing_and_counts(group: Group) -> None:
    for number in range(40):
        for _ in range(3):
            group.send(f"e-{number}", key=b"k%d" % (number % 4))
    group.flush()
    group.start(recorder(group), mode="Observe")
    group.wait_committed()
    assert Counter(group.effects.ids) == {f"e-{n}": 3 for n in range(40)}
    counts = group.counts()
    assert counts["done", "handler"] == 120
    assert sum(n for (decision, _), n in counts.items() if decision == "duplicate") == 80
    assert group.letters() == []


def test_observe_keeps_the_order_of_a_key(group: Group) -> None:
    order = [f"e-{n}" for n in range(20)] + [f"e-{n}" for n in range(20)] + [f"f-{n}" for n in range(20)]
    for event_id in order:
        group.send(event_id, key=b"k")
    group.flush()
    group.start(recorder(group), mode="Observe")
    group.wait_committed()
    assert group.effects.ids == order


def test_a_paused_consumer_joins_and_takes_nothing(group: Group) -> None:
    group.send_many(20)
    member = group.start(recorder(group), paused=True)
    eventually(lambda: member.partitions == 4)
    eventually(lambda: member.status()["paused"] == ["spec"])
    eventually(lambda: member.ready)
    assert len(group.effects) == 0
    group.stop()
    group.start(recorder(group))
    group.wait_committed()
    assert len(group.effects) == 20
