"""Servers that die, stall or forget under a running consumer. The servers are this module's own."""

from __future__ import annotations

import threading
import time
import uuid
from collections import Counter
from typing import TYPE_CHECKING

import psycopg
import pytest
import redis
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from doublegate.gate.keys import Keyspace
from doublegate.local.model import Service
from doublegate.local.stack import Stack
from doublegate.runtime import deadletters
from doublegate.runtime.event import Context, Event
from doublegate.runtime.outcome import Reject
from tests.consumers import Group
from tests.helpers import eventually

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    services = [Service.KAFKA, Service.VALKEY, Service.POSTGRES]
    with Stack(tmp_path_factory.mktemp("faults"), services) as stack:
        yield stack


@pytest.fixture
def group(own: Stack, tmp_path: Path) -> Iterator[Group]:
    admin = AdminClient({"bootstrap.servers": str(own.endpoints.bootstrap_servers)})
    topic = f"t-{uuid.uuid4().hex[:10]}"
    admin.create_topics([NewTopic(topic, 4, 1)])[topic].result(30)
    made = Group(own.endpoints, topic, tmp_path)
    yield made
    made.stop()


@pytest.fixture
def inbox(own: Stack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> psycopg.Connection:
    """A database with the inbox's secret in place, and a table for effects."""
    name = f"t_{uuid.uuid4().hex[:10]}"
    with psycopg.connect(str(own.endpoints.postgres_url), autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    dsn = f"{str(own.endpoints.postgres_url).rpartition('/')[0]}/{name}"
    (tmp_path / "secrets" / "db").mkdir(parents=True)
    (tmp_path / "secrets" / "db" / "dsn").write_text(dsn)
    monkeypatch.setenv("DOUBLEGATE_SECRETS", str(tmp_path / "secrets"))
    connection = psycopg.connect(dsn, autocommit=True)
    connection.execute("CREATE TABLE effects (id text)")
    return connection


def written(event: Event[bytes], context: Context) -> None:
    """Its effect is a row, in the inbox's transaction."""
    context.connection.execute("INSERT INTO effects VALUES (%s)", (event.id,))


def rows(database: psycopg.Connection) -> Counter[str]:
    return Counter(event_id for (event_id,) in database.execute("SELECT id FROM effects"))


def slowly(group: Group, seconds: float = 0.005) -> Callable[[Event[bytes]], None]:
    def handle(event: Event[bytes]) -> None:
        time.sleep(seconds)
        group.effects.add(event.id)

    return handle


def valkey(own: Stack) -> redis.Redis:
    return redis.Redis.from_url(str(own.endpoints.redis_url))


def test_a_ledger_that_stalls_pauses_the_consumer(own: Stack, group: Group) -> None:
    sent = group.send_many(100)
    member = group.start(slowly(group))
    eventually(lambda: len(group.effects) > 10, interval=0.01)
    own.pause(Service.VALKEY)
    try:
        eventually(lambda: not member.ready)
        sent += group.send_many(100, prefix="meanwhile")
    finally:
        own.resume(Service.VALKEY)
    group.wait_committed()
    assert group.effects.more_than_once() == {}
    assert sorted(group.effects.ids) == sorted(sent)
    eventually(lambda: member.ready and member.status()["paused"] == [])


def test_a_ledger_that_comes_back_empty_is_told_again(own: Stack, group: Group) -> None:
    sent = group.send_many(150)
    member = group.start(slowly(group))
    eventually(lambda: len(group.effects) > 20, interval=0.01)
    own.kill(Service.VALKEY)
    eventually(lambda: not member.ready)
    own.start(Service.VALKEY)
    group.wait_committed(40)
    assert group.effects.more_than_once() == {}
    assert sorted(group.effects.ids) == sorted(sent)


def test_what_the_ledger_lost_under_a_running_effect_is_put_back(own: Stack, group: Group) -> None:
    release, started = threading.Event(), threading.Event()

    def handle(event: Event[bytes]) -> None:
        if event.id == "long":
            started.set()
            release.wait(15)
        group.effects.add(event.id)

    group.send("before", partition=0)
    group.flush()
    member = group.start(handle, handler={"timeout": "20s"}, flow={"concurrency": {"min": 4}})
    eventually(lambda: len(group.effects) == 1)
    eventually(lambda: member.status()["inFlight"] == 0)
    group.send("long", partition=0)
    group.flush()
    assert started.wait(20)
    with valkey(own) as client:
        client.flushall()
        key = Keyspace(group.name)
        names = [key.key(b"before"), key.key(b"long")]
        eventually(lambda: sum(any(n in k for n in names) for k in client.scan_iter()) == 2)
    eventually(lambda: member.ready)
    group.send("long", partition=1)  # a copy, elsewhere
    group.send("before", partition=1)
    group.flush()
    release.set()
    group.wait_committed()
    assert sorted(group.effects.ids) == ["before", "long"]


def test_a_dlq_that_refuses_pauses_and_recovers(
    group: Group, own: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deadletters, "_DELIVERY_TIMEOUT_MS", 2000)

    def handle(event: Event[bytes]) -> None:
        if event.id.startswith("bad"):
            raise Reject("bad")
        group.effects.add(event.id)

    member = group.start(handle)
    eventually(lambda: member.ready)
    group.admin.delete_topics([group.dlq])[group.dlq].result(20)
    group.send("bad-1", partition=0)
    group.flush()
    eventually(lambda: "dlq" in member.status()["paused"])
    assert not member.ready
    good = group.send_many(20, prefix="good")
    assert group.committed() == {}  # nothing passes what has no letter
    group.admin.create_topics([NewTopic(group.dlq, 1, 1)])[group.dlq].result(20)
    group.wait_committed()
    assert group.reasons() == [("bad-1", "failed")]
    assert sorted(group.effects.ids) == sorted(good)
    eventually(lambda: member.ready and member.status()["paused"] == [])


def test_the_inbox_has_one_row_per_id_though_the_ledger_forgets(
    own: Stack, group: Group, inbox: psycopg.Connection
) -> None:
    spec = {"inbox": {"secretRef": "db"}, "filter": {"exactEntries": 1}}
    sent = group.send_many(150)
    group.start(written, **spec)
    eventually(lambda: len(rows(inbox)) > 20, interval=0.02)
    with valkey(own) as client:
        client.flushall()
    group.wait_committed(40)
    group.stop()
    with valkey(own) as client:
        client.flushall()
    for event_id in sent:  # sent anew, at other positions, and nobody remembers but the inbox
        group.send(event_id, key=b"other")
    group.flush()
    member = group.start(written, **spec)
    group.wait_committed(40)
    assert rows(inbox) == dict.fromkeys(sent, 1)
    assert member.counts["duplicate", "inbox"] == 150


def test_bypass_goes_on_with_the_inbox_alone(own: Stack, group: Group, inbox: psycopg.Connection) -> None:
    spec = {"inbox": {"secretRef": "db"}, "ledger": {"onUnavailable": "Bypass"}}
    group.send_many(20)
    member = group.start(written, **spec)
    group.wait_committed()
    own.kill(Service.VALKEY)
    try:
        eventually(lambda: "no session" in member.get("/readyz")[1])  # the lease is over: no matter
        more = group.send_many(40, prefix="alone")
        for event_id in more[:10]:
            group.send(event_id, key=b"again")
        group.flush()
        group.wait_committed(40)
        assert set(rows(inbox)) >= set(more)
    finally:
        own.start(Service.VALKEY)
    later = group.send_many(20, prefix="later")
    group.wait_committed(40)
    assert set(rows(inbox)) >= set(later)
    assert set(rows(inbox).values()) == {1}


def test_readyz_tells_the_truth(own: Stack, group: Group) -> None:
    member = group.start(slowly(group))
    eventually(lambda: member.ready)
    assert member.get("/livez")[0] == 200
    own.kill(Service.VALKEY)
    try:
        eventually(lambda: not member.ready)
        assert "ledger" in member.get("/readyz")[1]
        assert member.get("/livez")[0] == 200  # a restart would not mend it
    finally:
        own.start(Service.VALKEY)
    eventually(lambda: member.ready)
