"""Read your writes on real servers: tokens of real writes, and both stores beside a real consumer."""

from __future__ import annotations

import threading
import time
from collections import Counter
from typing import TYPE_CHECKING, Any, Protocol

import psycopg
import pytest

from doublegate.consistency import Cause, PositionsUnavailable, Progress, Reader, Source, Token, Tokens
from doublegate.consistency.inbox import InboxPositions
from doublegate.consistency.ledger import LedgerPositions
from doublegate.consistency.token import UNKNOWN_OFFSET
from doublegate.consistency.topic_ids import TopicIds
from doublegate.contract.scope import scope_tag
from doublegate.gate.keys import Keyspace
from doublegate.gate.ledger import Ledger
from doublegate.local.model import Service
from doublegate.producer import Producer
from doublegate.producer_errors import EventTooLarge, Undelivered
from doublegate.runtime.event import Context, Event
from doublegate.runtime.outcome import Reject
from tests.helpers import eventually

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    import redis

    from doublegate.consistency import AppliedPositions
    from doublegate.local.model import Endpoints
    from doublegate.local.stack import Stack
    from tests.consumers import Group
    from tests.integration.conftest import TopicFactory

SECONDS = 20.0
INBOX = {"inbox": {"secretRef": "db"}}  # pragma: allowlist secret


class Store(AppliedPositions if TYPE_CHECKING else Protocol):
    def close(self) -> None: ...


@pytest.fixture
def producer(endpoints: Endpoints) -> Iterator[Producer]:
    with Producer({"bootstrap.servers": str(endpoints.bootstrap_servers)}, sample_ratio=0.0) as producer:
        yield producer


@pytest.fixture
def database(pg_dsn: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> psycopg.Connection[Any]:
    (tmp_path / "secrets" / "db").mkdir(parents=True)
    (tmp_path / "secrets" / "db" / "dsn").write_text(pg_dsn)
    monkeypatch.setenv("DOUBLEGATE_SECRETS", str(tmp_path / "secrets"))
    connection = psycopg.connect(pg_dsn, autocommit=True)
    connection.execute("CREATE TABLE effects (id text)")
    return connection


@pytest.fixture(params=["ledger", "inbox"])
def store(request: pytest.FixtureRequest, group: Group, endpoints: Endpoints, pg_dsn: str) -> Iterator[Store]:
    topic_ids = TopicIds(group.config)
    made: Store = (
        LedgerPositions(str(endpoints.redis_url), group.name, topic_ids)
        if request.param == "ledger"
        else InboxPositions(pg_dsn, group.name, topic_ids)
    )
    yield made
    made.close()


def test_a_write_knows_where_it_is(producer: Producer, topic_factory: TopicFactory) -> None:
    topic = topic_factory(partitions=3)
    tokens = [producer.write(topic, b"x", key="k", event_id=f"e{n}") for n in range(3)]
    assert [(t.topic, t.offset, t.event_id) for t in tokens] == [(topic, n, f"e{n}") for n in range(3)]
    assert len({t.partition for t in tokens}) == 1
    assert Tokens(b"k" * 16).decode(Tokens(b"k" * 16).encode(tokens[0])) == tokens[0]


def test_a_refused_write_is_said_once(producer: Producer, topic_factory: TopicFactory) -> None:
    topic = topic_factory(config={"max.message.bytes": "2048"})
    with pytest.raises(EventTooLarge, match="event big"):
        producer.write(topic, b"x" * 10_000, event_id="big")
    producer.flush(SECONDS)


def test_a_write_that_is_not_acknowledged_is_flushs_again(
    stack: Stack, producer: Producer, topic_factory: TopicFactory
) -> None:
    topic = topic_factory()
    producer.write(topic, b"x")
    stack.pause(Service.KAFKA)
    try:
        with pytest.raises(Undelivered, match="not acknowledged in time"):
            producer.write(topic, b"x", timeout=0.3)
    finally:
        stack.resume(Service.KAFKA)
    producer.flush(60)


def test_writes_of_many_threads_each_get_their_own(producer: Producer, topic_factory: TopicFactory) -> None:
    topic = topic_factory(partitions=4)
    found: list[Token] = []

    def write(number: int) -> None:
        for turn in range(20):
            event_id = f"{number}-{turn}"
            token = producer.write(topic, b"x", event_id=event_id)
            assert token.event_id == event_id
            found.append(token)

    threads = [threading.Thread(target=write, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(SECONDS)
    assert len(found) == 160
    # a batch that the client sent twice is now and then acknowledged without offsets
    places = Counter((t.partition, t.offset) for t in found if t.offset != UNKNOWN_OFFSET)
    assert [place for place, n in places.items() if n > 1] == []


def gated(gate: threading.Event) -> Callable[[Event[bytes], Context], None]:
    """Its effect is a row in the inbox's transaction, once the gate is open; "bad" is refused."""

    def handle(event: Event[bytes], context: Context) -> None:
        gate.wait(SECONDS)
        if event.value == b"bad":
            raise Reject("bad is not allowed")
        context.connection.execute("INSERT INTO effects VALUES (%s)", (event.id,))

    return handle


def test_applied_means_that_the_effect_is_there(
    group: Group, producer: Producer, database: psycopg.Connection[Any], store: Store
) -> None:
    gate = threading.Event()
    group.start(gated(gate), **INBOX, handler={"timeout": "30s"})
    tokens = [producer.write(group.topic, b"v", key=f"k{n}", event_id=f"e{n}") for n in range(40)]
    reader = Reader(store)
    held = reader.read(tokens[0], timeout=0.3)
    assert (held.source, held.cause) == (Source.PRIMARY, Cause.TIMEOUT)
    gate.set()
    for token in reversed(tokens):  # the last first, so that most are waited for
        decision = reader.read(token, timeout=SECONDS)
        there = database.execute("SELECT 1 FROM effects WHERE id = %s", (token.event_id,)).fetchone()
        assert (decision.cause, there) == (Cause.APPLIED, (1,))
    assert reader.read(*tokens, timeout=0).source is Source.REPLICA
    reader.close()


def test_a_dead_letter_is_refused_and_strangers_are_pending(
    group: Group, producer: Producer, database: psycopg.Connection[Any], store: Store
) -> None:
    gate = threading.Event()
    gate.set()
    group.start(gated(gate), **INBOX)
    bad = producer.write(group.topic, b"bad", event_id="bad")
    eventually(lambda: store.progress([bad]) == [Progress.REFUSED], SECONDS)
    after = Token(group.topic, bad.partition, bad.offset + 1, "never sent")
    nowhere = Token("no-such-topic", 0, 0, "never sent")
    assert store.progress([after, bad, nowhere]) == [Progress.PENDING, Progress.REFUSED, Progress.PENDING]
    assert Reader(store).read(bad, timeout=SECONDS).source is Source.PRIMARY


def test_the_watermark_stands_for_entries_that_are_over(
    group: Group, producer: Producer, endpoints: Endpoints
) -> None:
    group.start(lambda event: group.effects.add(event.id), ledger={"ttl": "1s"})
    token = producer.write(group.topic, b"v", event_id="short")
    group.wait_committed()
    ledger = Ledger.connect(str(endpoints.redis_url), group.name)
    eventually(lambda: ledger.inspect(Keyspace(group.name).key(b"short")) is None, SECONDS)
    ledger.close()
    store = LedgerPositions(str(endpoints.redis_url), group.name, TopicIds(group.config))
    assert store.progress([token]) == [Progress.APPLIED]
    unplaced = Token(token.topic, token.partition, UNKNOWN_OFFSET, "short")
    assert store.progress([unplaced]) == [Progress.PENDING]
    no_uuid = LedgerPositions(str(endpoints.redis_url), group.name, lambda _: None)
    assert no_uuid.progress([token]) == [Progress.PENDING]
    store.close()
    no_uuid.close()


def test_a_frozen_ledger_is_the_primary_in_time_and_comes_back(
    stack: Stack, group: Group, producer: Producer, endpoints: Endpoints
) -> None:
    group.start(lambda event: group.effects.add(event.id))
    token = producer.write(group.topic, b"v")
    store = LedgerPositions(str(endpoints.redis_url), group.name, TopicIds(group.config))
    reader = Reader(store)
    assert reader.read(token, timeout=SECONDS).cause is Cause.APPLIED
    stack.pause(Service.VALKEY)
    try:
        start = time.monotonic()
        assert reader.read(token, timeout=0.1).cause is Cause.AWAY
        assert time.monotonic() - start < 5
    finally:
        stack.resume(Service.VALKEY)
    eventually(lambda: reader.read(token, timeout=0).cause is Cause.APPLIED, SECONDS)
    reader.close()
    store.close()


def test_a_frozen_database_is_the_primary_in_time_and_comes_back(
    stack: Stack, group: Group, producer: Producer, database: psycopg.Connection[Any], pg_dsn: str
) -> None:
    gate = threading.Event()
    gate.set()
    group.start(gated(gate), **INBOX)
    token = producer.write(group.topic, b"v")
    store = InboxPositions(pg_dsn, group.name, TopicIds(group.config))
    reader = Reader(store)
    assert reader.read(token, timeout=SECONDS).cause is Cause.APPLIED
    stack.pause(Service.POSTGRES)
    try:
        start = time.monotonic()
        assert reader.read(token, timeout=0.1).cause is Cause.AWAY
        assert time.monotonic() - start < 5
    finally:
        stack.resume(Service.POSTGRES)
    eventually(lambda: reader.read(token, timeout=0).cause is Cause.APPLIED, SECONDS)
    reader.close()
    store.close()


def test_four_commands_are_enough_for_the_ledger(
    group: Group, producer: Producer, endpoints: Endpoints, redis_client: redis.Redis
) -> None:
    group.start(lambda event: group.effects.add(event.id))
    token = producer.write(group.topic, b"v")
    group.wait_committed()
    commands = ["+get", "+pttl", "+hmget", "+info"]
    redis_client.acl_setuser(
        "reader", enabled=True, nopass=True, keys=[f"{scope_tag(group.name)}*"], commands=commands
    )
    store = LedgerPositions(str(endpoints.redis_url), group.name, TopicIds(group.config), username="reader")
    never = Token(token.topic, token.partition, token.offset + 1, "never sent")
    assert store.progress([token, never]) == [Progress.APPLIED, Progress.PENDING]
    store.close()
    redis_client.acl_deluser("reader")


def test_stores_that_were_never_there_say_so() -> None:
    token = Token("t", 0, 0, "e")
    ledger = LedgerPositions("redis://127.0.0.1:1/0", "g", lambda _: None)
    with pytest.raises(PositionsUnavailable, match="ledger"):
        ledger.progress([token])
    inbox = InboxPositions("postgresql://127.0.0.1:1/none", "g", lambda _: None)
    with pytest.raises(PositionsUnavailable, match="database"):
        inbox.progress([token])
    inbox.close()


def test_a_database_without_an_inbox_says_so(pg_dsn: str) -> None:
    inbox = InboxPositions(pg_dsn, "g", lambda _: None)
    with pytest.raises(PositionsUnavailable, match="doublegate_inbox"):
        inbox.progress([Token("t", 0, 0, "e")])
    inbox.close()
