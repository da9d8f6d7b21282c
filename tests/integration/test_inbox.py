"""The inbox on a real PostgreSQL: alone, and sharing its transaction with handlers."""

from __future__ import annotations

import asyncio
import itertools
import os
import random
import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from psycopg import conninfo

from doublegate.contract.deadletter import DeadLetterReason
from doublegate.contract.states import UnknownCause
from doublegate.gate.inbox import Inbox, Row, Seen
from doublegate.runtime.event import Context, Event
from doublegate.runtime.executors_inbox_pools import InboxPools
from doublegate.runtime.outcome import Outcome, Reject, Retry, Unknown
from tests.helpers import eventually
from tests.unit.runtime.harness import SECONDS, TOPIC_ID, Engine, record

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

DONE, NOT_DONE, UNKNOWN = Outcome.DONE, Outcome.NOT_DONE, Outcome.UNKNOWN
FRESH, DUPLICATE, CONFLICT, UNSURE = Seen.FRESH, Seen.DUPLICATE, Seen.CONFLICT, Seen.UNSURE


@pytest.fixture
def database(pg_dsn: str) -> Iterator[psycopg.Connection[Any]]:
    with psycopg.connect(pg_dsn, autocommit=True) as connection:
        Inbox("g", 3600).migrate(connection)
        connection.execute("CREATE TABLE effects (id text, attempt int)")
        yield connection


@pytest.fixture
def inbox() -> Inbox:
    return Inbox("g", 3600)


def row(number: int, digest: int = 0, offset: int = 0) -> Row:
    return Row(number.to_bytes(16, "big"), digest.to_bytes(8, "big"), TOPIC_ID, 0, offset)


def effects(database: psycopg.Connection[Any]) -> list[str]:
    return [event_id for (event_id,) in database.execute("SELECT id FROM effects ORDER BY id")]


def test_migrate_by_many_at_once_and_again(pg_dsn: str) -> None:
    together = threading.Barrier(8)

    def migrate() -> None:
        with psycopg.connect(pg_dsn, autocommit=True) as connection:
            together.wait(SECONDS)
            Inbox("g", 1).migrate(connection)

    with ThreadPoolExecutor(8) as threads:
        for future in [threads.submit(migrate) for _ in range(8)]:
            future.result(SECONDS)
    with psycopg.connect(pg_dsn, autocommit=True) as connection:
        Inbox("g", 1).migrate(connection)
        assert Inbox("g", 1).fresh(connection, [row(1)]) == [FRESH]


def test_migrate_needs_no_right_to_create_where_the_tables_are(
    pg_dsn: str, database: psycopg.Connection[Any]
) -> None:
    role = f"r{os.urandom(6).hex()}"
    database.execute(f"CREATE ROLE {role}")
    with psycopg.connect(pg_dsn, autocommit=True) as connection:
        connection.execute(f"SET ROLE {role}")
        Inbox("g", 1).migrate(connection)
    database.execute(f"DROP ROLE {role}")


def test_fresh_duplicate_conflict(database: psycopg.Connection[Any], inbox: Inbox) -> None:
    assert inbox.fresh(database, []) == []
    assert inbox.fresh(database, [row(2), row(1)]) == [FRESH, FRESH]
    again = [row(1), row(3), row(2, digest=9)]
    assert inbox.fresh(database, again) == [DUPLICATE, FRESH, CONFLICT]
    assert Inbox("another", 3600).fresh(database, [row(1)]) == [FRESH]
    stored = database.execute(
        'SELECT topic, partition, "offset", performed_at <= now() FROM doublegate_inbox WHERE key = %s',
        (row(1).key,),
    ).fetchone()
    assert stored is not None
    assert (stored[0].bytes, *stored[1:]) == (TOPIC_ID, 0, 0, True)


def test_the_same_key_twice_in_a_batch_is_performed_once(
    database: psycopg.Connection[Any], inbox: Inbox
) -> None:
    assert inbox.fresh(database, [row(1), row(1), row(2)]) == [FRESH, UNSURE, FRESH]


def test_a_batch_waits_for_another_transaction_with_the_key(
    pg_dsn: str, database: psycopg.Connection[Any], inbox: Inbox
) -> None:
    for ends, expected in (("COMMIT", DUPLICATE), ("ROLLBACK", FRESH)):
        database.execute("TRUNCATE doublegate_inbox")
        with psycopg.connect(pg_dsn) as first, ThreadPoolExecutor(1) as thread:
            inbox.fresh(first, [row(1)])
            second = thread.submit(inbox.fresh, database, [row(1)])
            with psycopg.connect(pg_dsn, autocommit=True) as observer:
                eventually(lambda: waiting(observer), SECONDS, 0.01)
            assert not second.done()
            first.execute(ends.encode())
            assert second.result(SECONDS) == [expected]


def waiting(observer: psycopg.Connection[Any]) -> bool:
    query = """SELECT count(*) FROM pg_stat_activity
        WHERE datname = current_database() AND wait_event_type = 'Lock'"""
    found = observer.execute(query).fetchone()
    return found is not None and found[0] > 0


def test_batches_in_any_order_never_deadlock(
    pg_dsn: str, database: psycopg.Connection[Any], inbox: Inbox
) -> None:
    together = threading.Barrier(4)

    def writer(seed: int) -> int:
        order = random.Random(seed)
        written = 0
        with psycopg.connect(pg_dsn) as connection:
            for turn in range(30):
                rows = [row(turn * 1000 + n) for n in range(200)]
                order.shuffle(rows)
                together.wait(SECONDS)
                written += inbox.fresh(connection, rows).count(FRESH)
                connection.commit()
        return written

    with ThreadPoolExecutor(4) as threads:
        assert sum(threads.map(writer, range(4))) == 30 * 200


def test_prune_deletes_what_is_older_in_small_steps(database: psycopg.Connection[Any], inbox: Inbox) -> None:
    inbox.fresh(database, [row(n) for n in range(10)])
    Inbox("another", 3600).fresh(database, [row(n) for n in range(3)])
    database.execute(
        "UPDATE doublegate_inbox SET performed_at = now() - interval '2 hours' WHERE key < %s", (row(7).key,)
    )
    assert [inbox.prune(database, limit=4) for _ in range(3)] == [4, 3, 0]
    assert inbox.fresh(database, [row(6), row(7)]) == [FRESH, DUPLICATE]
    assert Inbox("another", 3600).prune(database) == 3


def test_watermarks_only_rise(database: psycopg.Connection[Any], inbox: Inbox) -> None:
    inbox.advance(database, {(TOPIC_ID, 0): 10, (TOPIC_ID, 1): 5})
    inbox.advance(database, {(TOPIC_ID, 1): 7, (TOPIC_ID, 0): 3})
    inbox.advance(database, {})
    assert inbox.watermarks(database) == {(TOPIC_ID, 0): 10, (TOPIC_ID, 1): 7}
    assert Inbox("another", 1).watermarks(database) == {}


class Writes:
    """A handler that writes each event to `effects`, in its four forms."""

    def __init__(self, behave: Callable[[str], Any] = lambda _: None) -> None:
        self.behave = behave
        self.calls: list[list[str]] = []

    def form(self, name: str) -> Any:
        def one(event: Event[bytes], ctx: Context) -> None:
            batch([event], ctx)

        def batch(events: list[Event[bytes]], ctx: Context) -> None:
            self.calls.append([event.id for event in events])
            for event in events:
                ctx.connection.execute("INSERT INTO effects VALUES (%s, %s)", (event.id, event.attempt))
                self.behave(event.id)

        async def async_one(event: Event[bytes], ctx: Context) -> None:
            await async_batch([event], ctx)

        async def async_batch(events: list[Event[bytes]], ctx: Context) -> None:
            self.calls.append([event.id for event in events])
            for event in events:
                await ctx.connection.execute("INSERT INTO effects VALUES (%s, %s)", (event.id, event.attempt))
                self.behave(event.id)

        return {"sync": one, "batch": batch, "async": async_one, "async batch": async_batch}[name]


FORMS = ["sync", "batch", "async", "async batch"]
BATCH = ["batch", "async batch"]


@pytest.fixture
def engine() -> Iterator[Engine]:
    made = Engine()
    yield made
    made.stop()


@pytest.fixture
def start(engine: Engine, inbox: Inbox) -> Iterator[Callable[..., Engine]]:
    opened: list[InboxPools] = []

    def begin(function: Any, dsn: str, **terms: Any) -> Engine:
        pools = InboxPools(dsn, size=4, timeout=terms.get("timeout", SECONDS))
        opened.append(pools)
        return engine.start(function, inbox=inbox, pools=pools, **terms)

    yield begin
    engine.stop()
    for pools in opened:
        pools.close()


def raises(error: Exception, *bad: str) -> Callable[[str], None]:
    def behave(event_id: str) -> None:
        if event_id in bad:
            raise error

    return behave


@pytest.mark.parametrize("form", FORMS)
def test_an_event_is_performed_once_whatever_comes_again(
    pg_dsn: str, database: psycopg.Connection[Any], start: Any, form: str
) -> None:
    writes = Writes()
    engine = start(writes.form(form), pg_dsn)
    assert engine.run(*[record(str(n), lane=n) for n in range(5)]) == [DONE] * 5
    again = [record("3"), record("new", lane=1), record("4", lane=2, digest=b"\1" * 8)]
    assert engine.run(*again) == [DONE, DONE, NOT_DONE]
    assert effects(database) == ["0", "1", "2", "3", "4", "new"]
    results = [r.result for r in again]
    assert [result.duplicate for result in results if result is not None] == [True, False, False]
    assert results[2] is not None
    assert (results[2].reason, results[2].final) == (DeadLetterReason.CONFLICT, True)
    assert [r.attempt for r in again] == [0, 1, 0]


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(
    "error", [Reject("no"), Retry("later"), ValueError("bug")], ids=lambda e: type(e).__name__
)
def test_a_failing_event_leaves_nothing_and_its_neighbours_are_done(
    pg_dsn: str, database: psycopg.Connection[Any], start: Any, form: str, error: Exception
) -> None:
    writes = Writes(raises(error, "3", "6"))
    engine = start(writes.form(form), pg_dsn)
    records = [record(str(n), lane=n) for n in range(8)]
    ends = engine.run(*records)
    assert [n for n, end in enumerate(ends) if end is NOT_DONE] == [3, 6]
    assert effects(database) == ["0", "1", "2", "4", "5", "7"]
    assert [r.attempt for r in records] == [1] * 8
    writes.behave = lambda _: None
    assert engine.run(records[3], records[6]) == [DONE, DONE]
    assert effects(database) == [str(n) for n in range(8)]


@pytest.mark.parametrize("form", BATCH)
def test_an_unknown_batch_is_rolled_back_and_not_called_again(
    pg_dsn: str, database: psycopg.Connection[Any], start: Any, form: str
) -> None:
    writes = Writes(raises(Unknown("half of it was posted"), "1"))
    assert start(writes.form(form), pg_dsn).run(record("1"), record("2", lane=1)) == [UNKNOWN, UNKNOWN]
    assert effects(database) == []
    assert len(writes.calls) == 1


@pytest.mark.parametrize("is_async", [False, True])
def test_events_that_a_batch_names_as_failed_have_no_row(
    pg_dsn: str, database: psycopg.Connection[Any], start: Any, is_async: bool
) -> None:
    answers: list[Any] = [None, Retry("busy")]

    def handle(events: list[Event[bytes]], ctx: Context) -> list[Any]:
        ctx.connection.execute("INSERT INTO effects VALUES (%s, 1)", (events[0].id,))
        return answers[: len(events)]

    async def handle_async(events: list[Event[bytes]], ctx: Context) -> list[Any]:
        await ctx.connection.execute("INSERT INTO effects VALUES (%s, 1)", (events[0].id,))
        return answers[: len(events)]

    engine = start(handle_async if is_async else handle, pg_dsn)
    first, second = record("1"), record("2", lane=1)
    assert engine.run(first, second) == [DONE, NOT_DONE]
    assert engine.run(second) == [DONE]
    assert second.result is not None
    assert not second.result.duplicate
    assert effects(database) == ["1", "2"]


@pytest.mark.parametrize("is_async", [False, True])
def test_a_failed_transaction_that_the_handler_hides_is_not_done(
    pg_dsn: str, database: psycopg.Connection[Any], start: Any, is_async: bool
) -> None:
    def handle(event: Event[bytes], ctx: Context) -> None:
        with suppress(psycopg.Error):
            ctx.connection.execute("SELECT 1 / 0")

    async def handle_async(event: Event[bytes], ctx: Context) -> None:
        with suppress(psycopg.Error):
            await ctx.connection.execute("SELECT 1 / 0")

    first = record("1")
    assert start(handle_async if is_async else handle, pg_dsn).run(first) == [NOT_DONE]
    assert first.result is not None
    assert not first.result.wait
    assert database.execute("SELECT count(*) FROM doublegate_inbox").fetchone() == (0,)


def test_a_handler_cannot_commit_by_itself(
    pg_dsn: str, database: psycopg.Connection[Any], start: Any
) -> None:
    def handle(event: Event[bytes], ctx: Context) -> None:
        ctx.connection.commit()

    assert start(handle, pg_dsn).run(record("1")) == [NOT_DONE]
    assert database.execute("SELECT count(*) FROM doublegate_inbox").fetchone() == (0,)


def test_a_refused_commit_is_not_done(pg_dsn: str, database: psycopg.Connection[Any], start: Any) -> None:
    database.execute("CREATE TABLE once (id int UNIQUE DEFERRABLE INITIALLY DEFERRED)")

    def handle(events: list[Event[bytes]], ctx: Context) -> None:
        for event in events:
            ctx.connection.execute("INSERT INTO once VALUES (%s)", (min(int(event.id), 2),))

    ends = start(handle, pg_dsn).run(*[record(str(n), lane=n) for n in range(4)])
    assert ends == [DONE, DONE, DONE, NOT_DONE]


def test_an_async_handler_past_its_timeout_is_rolled_back(
    pg_dsn: str, database: psycopg.Connection[Any], start: Any
) -> None:
    async def handle(event: Event[bytes], ctx: Context) -> None:
        await ctx.connection.execute("INSERT INTO effects VALUES (%s, 1)", (event.id,))
        if event.attempt == 1:
            await asyncio.sleep(SECONDS)

    engine = start(handle, pg_dsn, timeout=1.0)
    first = record("1")
    assert engine.run(first) == [UNKNOWN]
    assert first.result is not None
    assert first.result.cause is UnknownCause.TIMEOUT
    assert engine.run(first) == [DONE]
    assert first.result is not None
    assert not first.result.duplicate
    assert effects(database) == ["1"]


class Proxy:
    """Stands between client and server, to lose what a network loses."""

    def __init__(self, dsn: str) -> None:
        target = conninfo.conninfo_to_dict(dsn)
        self._target = (str(target["host"]), int(str(target["port"])))
        self._server = socket.create_server(("127.0.0.1", 0))
        self.dsn = conninfo.make_conninfo(
            dsn, host="127.0.0.1", port=self._server.getsockname()[1], sslmode="disable"
        )
        self.at_commit: Callable[[socket.socket], None] | None = None
        """Gets the server's socket; then both sides are closed."""
        self.away = False
        self._open: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._server.accept()
                if self.away:
                    client.close()
                    continue
                server = socket.create_connection(self._target)
                self._open += [client, server]
                threading.Thread(target=self._pump, args=(client, server, True), daemon=True).start()
                threading.Thread(target=self._pump, args=(server, client, False), daemon=True).start()

    def _pump(self, source: socket.socket, sink: socket.socket, to_server: bool) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                if to_server and self.at_commit is not None and b"COMMIT" in data:
                    source.shutdown(socket.SHUT_RDWR)
                    act, self.at_commit = self.at_commit, None
                    act(sink)
                    break
                sink.sendall(data)
        for end in (source, sink):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def cut(self) -> None:
        for end in self._open:
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        self._server.close()
        self.cut()
        for end in self._open:
            end.close()


@pytest.fixture
def proxy(pg_dsn: str) -> Iterator[Proxy]:
    made = Proxy(pg_dsn)
    yield made
    made.close()


def deliver(server: socket.socket) -> None:
    server.sendall(b"Q\x00\x00\x00\x0bCOMMIT\x00")


@pytest.mark.parametrize("form", FORMS)
def test_a_commit_without_an_answer_that_happened_is_done(
    database: psycopg.Connection[Any], proxy: Proxy, start: Any, form: str
) -> None:
    proxy.at_commit = deliver
    first = record("1")
    assert start(Writes().form(form), proxy.dsn).run(first) == [DONE]
    assert effects(database) == ["1"]
    assert proxy.at_commit is None


@pytest.mark.parametrize("form", FORMS)
def test_a_commit_that_never_arrived_is_proven_not_done(
    database: psycopg.Connection[Any], proxy: Proxy, start: Any, form: str
) -> None:
    proxy.at_commit = lambda _: None
    first = record("1")
    engine = start(Writes().form(form), proxy.dsn)
    assert engine.run(first) == [NOT_DONE]
    assert first.result is not None
    assert first.result.wait
    assert engine.run(first) == [DONE]
    assert effects(database) == ["1"]


def test_a_commit_that_comes_through_late_is_not_taken_for_absent(
    database: psycopg.Connection[Any], pg_dsn: str, proxy: Proxy, start: Any
) -> None:
    def late(server: socket.socket) -> None:
        with psycopg.connect(pg_dsn, autocommit=True) as observer:
            eventually(lambda: waiting(observer), SECONDS, 0.01)  # the proof waits for the lost transaction
        deliver(server)

    proxy.at_commit = late
    assert start(Writes().form("batch"), proxy.dsn).run(record("1")) == [DONE]
    assert effects(database) == ["1"]


def test_a_commit_that_cannot_be_read_back_is_unknown(
    database: psycopg.Connection[Any], proxy: Proxy, start: Any
) -> None:
    def vanish(_: socket.socket) -> None:
        proxy.away = True

    proxy.at_commit = vanish
    first = record("1")
    assert start(Writes().form("batch"), proxy.dsn, timeout=6.0).run(first) == [UNKNOWN]
    assert first.result is not None
    assert first.result.cause is UnknownCause.COMMIT_LOST


@pytest.mark.parametrize("form", FORMS)
def test_a_database_away_waits_without_using_an_attempt(
    database: psycopg.Connection[Any], proxy: Proxy, start: Any, form: str
) -> None:
    writes = Writes()
    engine = start(writes.form(form), proxy.dsn, timeout=1.0)
    assert engine.run(record("0")) == [DONE]
    proxy.away = True
    proxy.cut()
    for number in (1, 2):  # the first finds a broken connection in the pool, the second none
        event = record(str(number))
        assert engine.run(event) == [NOT_DONE]
        assert event.result is not None
        assert (event.result.wait, event.attempt) == (True, 0)
    proxy.away = False
    turns = itertools.count(10)
    eventually(lambda: engine.run(record(str(next(turns)))) == [DONE], SECONDS, 0.05)
    assert len(effects(database)) == 2


def test_a_database_that_leaves_under_the_handler_is_not_the_events_fault(
    database: psycopg.Connection[Any], proxy: Proxy, start: Any
) -> None:
    writes = Writes(lambda _: proxy.cut())
    first, second = record("1"), record("2", lane=1)
    assert start(writes.form("batch"), proxy.dsn).run(first, second) == [NOT_DONE, NOT_DONE]
    assert first.result is not None
    assert first.result.wait
    assert len(writes.calls) == 1
    assert effects(database) == []
