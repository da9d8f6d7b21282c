"""The ledger on real servers: the specification, and what only a server can do to it."""

from __future__ import annotations

import contextlib
import shutil
import socket
import subprocess
import threading
import uuid
from typing import TYPE_CHECKING

import pytest
import redis
from hypothesis import settings
from hypothesis.stateful import run_state_machine_as_test

from doublegate.contract.connections import RedisConnection
from doublegate.contract.scope import scope_tag
from doublegate.contract.states import EntryState
from doublegate.gate.keys import Keyspace
from doublegate.gate.ledger import Ledger
from doublegate.gate.ledger_codec import field_of
from doublegate.gate.ledger_errors import (
    LedgerFull,
    LedgerMisconfigured,
    LedgerUnavailable,
    LedgerUnderReplicated,
)
from doublegate.gate.ledger_keys import ScopeKeys
from doublegate.gate.ledger_server import ACL_COMMANDS
from doublegate.gate.ledger_types import (
    ClaimOutcome,
    Claims,
    CompletionOutcome,
    Completions,
    LedgerSettings,
    SessionStatus,
)
from doublegate.local.model import Service
from doublegate.local.ports import LOOPBACK, free_ports
from doublegate.local.stack import Stack
from tests.helpers import eventually
from tests.ledger_machine import SETTINGS as MACHINE_SETTINGS
from tests.ledger_machine import LedgerMachine
from tests.ledger_spec import PAYLOAD, SETTINGS, TOPIC, LedgerSpec, Owner, new_key

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from doublegate.local.model import Endpoints

START_SECONDS = 20


def new_scope() -> str:
    return f"test-{uuid.uuid4().hex}"


class ServerSpec(LedgerSpec):
    """The specification on a server that `client` also reaches."""

    @pytest.fixture(autouse=True)
    def _reach(self, client: redis.Redis) -> None:
        self.client = client

    def end_session(self, ledger: Ledger, owner: bytes) -> None:
        for bucket in range(ledger._keys.buckets):
            self.client.hset(ledger._keys.sessions(bucket), owner, 0)

    def lose_data(self, ledger: Ledger) -> None:
        for key in self.client.scan_iter(match=f"{scope_tag(ledger._keys.scope)}*", count=1000):
            self.client.delete(key)


class TestLedgerOnValkey(ServerSpec):
    """Valkey from the stack."""

    @pytest.fixture
    def client(self, endpoints: Endpoints) -> Iterator[redis.Redis]:
        with redis.Redis.from_url(str(endpoints.redis_url)) as client:
            yield client

    @pytest.fixture
    def ledger(self, endpoints: Endpoints) -> Iterator[Ledger]:
        ledger = Ledger.connect(str(endpoints.redis_url), new_scope(), SETTINGS)
        yield ledger
        ledger.close()


@pytest.fixture(scope="module")
def old_redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The system's Redis, where there is one."""
    binary = shutil.which("redis-server")
    if binary is None:
        pytest.skip("no redis-server on this machine")
    home = tmp_path_factory.mktemp("redis")
    (port,) = free_ports(1)
    command = [binary, "--port", str(port), "--bind", LOOPBACK, "--dir", str(home), "--save", ""]
    with (home / "log").open("wb") as log, subprocess.Popen(command, stdout=log, stderr=log) as server:
        url = f"redis://{LOOPBACK}:{port}/0"
        try:
            eventually(lambda: answers(url), START_SECONDS)
            yield url
        finally:
            server.terminate()
            server.wait(START_SECONDS)


def answers(url: str) -> bool:
    try:
        with redis.Redis.from_url(url, socket_timeout=1) as client:
            return bool(client.ping())
    except redis.ConnectionError:
        return False


class TestLedgerOnRedis(ServerSpec):
    """Redis 7 or newer from the system; the buckets of a cluster, on one server."""

    @pytest.fixture
    def client(self, old_redis: str) -> Iterator[redis.Redis]:
        with redis.Redis.from_url(old_redis) as client:
            yield client

    @pytest.fixture
    def ledger(self, old_redis: str) -> Iterator[Ledger]:
        settings = LedgerSettings(
            session=SETTINGS.session,
            claim_ttl=SETTINGS.claim_ttl,
            done_ttl=SETTINGS.done_ttl,
            failed_ttl=SETTINGS.failed_ttl,
            crashes=SETTINGS.crashes,
            buckets=16,
        )
        ledger = Ledger.connect(old_redis, new_scope(), settings)
        yield ledger
        ledger.close()


def test_any_history_is_the_models(endpoints: Endpoints) -> None:
    """Thousands of random steps, on the real server and in the model."""
    url = str(endpoints.redis_url)
    with redis.Redis.from_url(url) as client:

        class OnValkey(LedgerMachine):
            def connect(self) -> Ledger:
                self.scope = new_scope()
                return Ledger.connect(url, self.scope, MACHINE_SETTINGS)

            def end_session(self, owner: bytes) -> None:
                client.hset(ScopeKeys.of(self.scope, 1).sessions(0), owner, 0)

            def lose_data(self) -> None:
                for key in client.scan_iter(match=f"{scope_tag(self.scope)}*", count=1000):
                    client.delete(key)

            def teardown(self) -> None:
                self.real.close()

        run_state_machine_as_test(
            OnValkey, settings=settings(max_examples=60, stateful_step_count=40, deadline=None)
        )


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A Valkey of this module's own, to be hurt; every test heals it."""
    with Stack(tmp_path_factory.mktemp("valkey"), [Service.VALKEY]) as stack:
        yield stack


@pytest.fixture
def url(server: Stack) -> str:
    return str(server.endpoints.redis_url)


@pytest.fixture
def raw(url: str) -> Iterator[redis.Redis]:
    """A client of the server, emptied."""
    with redis.Redis.from_url(url) as client:
        client.flushall()
        yield client


@pytest.fixture
def ledger(url: str, raw: redis.Redis) -> Iterator[Ledger]:
    ledger = Ledger.connect(url, new_scope(), SETTINGS, socket_timeout=1)
    yield ledger
    ledger.close()


def remaining(ledger: Ledger, key: bytes) -> float:
    entry = ledger.inspect(key)
    assert entry is not None
    assert entry.ttl is not None
    return entry.ttl


def test_lifetimes(ledger: Ledger) -> None:
    owner = Owner(ledger)
    plain, failed, replayed, unknown = (new_key() for _ in range(4))
    owner.claim_all([plain, failed, replayed, unknown], range(4))
    assert remaining(ledger, plain) == pytest.approx(SETTINGS.claim_ttl, abs=5)
    owner.complete(plain)
    assert remaining(ledger, plain) == pytest.approx(SETTINGS.done_ttl, abs=5)
    for key in (failed, replayed):
        owner.fail(key)
        assert remaining(ledger, key) == pytest.approx(SETTINGS.failed_ttl, abs=5)
    owner.complete(failed)
    owner.claim(replayed, 0, replay=True)
    assert remaining(ledger, replayed) == pytest.approx(SETTINGS.claim_ttl, abs=5)
    owner.complete(replayed)
    ledger.retire(owner.id)
    second = Owner(ledger)
    second.claim(unknown, 3)
    second.complete(unknown)
    for key in (failed, replayed, unknown):
        for _ in range(2):
            assert remaining(ledger, key) == pytest.approx(SETTINGS.failed_ttl, abs=5)
            second.complete(key)
            second.complete(key, b"conflict")


def test_nothing_but_entries_expires(ledger: Ledger, raw: redis.Redis) -> None:
    owner = Owner(ledger)
    owner.exchange(watermarks=[(0, 1)], grants=[(0, 1)])
    assert [raw.ttl(key) for key in raw.scan_iter()] == [-1] * 4


def test_epochs_rise_though_the_clock_fell(ledger: Ledger, raw: redis.Redis) -> None:
    (epoch,) = ledger.take_epochs([(TOPIC, 0)])
    raw.hset(ledger._keys.epochs(0), field_of(TOPIC, 0), epoch + 10**12)
    assert ledger.take_epochs([(TOPIC, 0)]) == [epoch + 10**12 + 1]


def test_sessions_of_long_ago_are_forgotten(ledger: Ledger, raw: redis.Redis) -> None:
    owner = Owner(ledger)
    sessions = ledger._keys.sessions(0)
    seconds, _ = raw.time()
    raw.hset(sessions, owner.id, (seconds - 90_000) * 1000)
    raw.hset(sessions, b"recently", (seconds - 80_000) * 1000)
    Owner(ledger)
    assert not raw.hexists(sessions, owner.id)
    assert raw.hexists(sessions, b"recently")
    assert ledger.renew(owner.id) is SessionStatus.EXPIRED, "the data is still the same"


def test_a_lease_ends_by_the_servers_clock(url: str, raw: redis.Redis) -> None:
    short = Ledger.connect(url, new_scope(), LedgerSettings(session=0.3))
    owner, key = Owner(short), new_key()
    owner.claim(key, 7)
    assert eventually(lambda: short.renew(owner.id) is SessionStatus.ALIVE, 1)
    second = Owner(short)

    def take_over() -> bool:
        short.register(second.id)
        return second.claim(key, 7)[0] is ClaimOutcome.TAKEN_OVER

    eventually(take_over, 5)
    short.close()


def test_full_memory_refuses_claims_and_nothing_else(ledger: Ledger, raw: redis.Redis) -> None:
    owner, key, other = Owner(ledger), new_key(), new_key()
    owner.claim(key, 1)
    raw.config_set("maxmemory", 1)
    try:
        with pytest.raises(LedgerFull) as caught:
            owner.exchange(
                completions=Completions([key], [PAYLOAD]), claims=Claims([other], [PAYLOAD], [0], [2])
            )
        assert list(caught.value.result.claims) == [ClaimOutcome.REFUSED]
        assert ledger.renew(owner.id) is SessionStatus.ALIVE
        assert ledger.inspect(key).state is EntryState.DONE
        Owner(ledger)
    finally:
        raw.config_set("maxmemory", 0)
    assert ledger.inspect(other) is None
    owner.take()
    assert owner.claim(other, 2)[0] is ClaimOutcome.NEW


def test_a_server_that_forgot_its_scripts(ledger: Ledger, raw: redis.Redis) -> None:
    owner, first, second = Owner(ledger), new_key(), new_key()
    owner.claim(first, 1)
    raw.script_flush()
    before = ledger.round_trips
    result = owner.exchange(
        completions=Completions([first], [PAYLOAD]), claims=Claims([second], [PAYLOAD], [0], [2])
    )
    assert result.all_new
    assert not result.completions
    assert ledger.round_trips - before <= 3


def test_a_restart_without_data_is_noticed(server: Stack, ledger: Ledger) -> None:
    owner, before = Owner(ledger), ledger.identity()
    server.kill(Service.VALKEY)
    with pytest.raises(LedgerUnavailable):
        owner.claim(new_key())
    server.start(Service.VALKEY)
    assert eventually(lambda: ledger.renew(owner.id) is SessionStatus.LOST)
    assert ledger.identity() != before
    result = ledger.reassert(owner.id, owner.held, Claims(), Completions())
    assert not result.fenced
    assert owner.claim(new_key())[0] is ClaimOutcome.NEW


def test_a_silent_server_is_unavailable_in_time(server: Stack, ledger: Ledger) -> None:
    owner, key = Owner(ledger), new_key()
    server.pause(Service.VALKEY)
    try:
        with pytest.raises(LedgerUnavailable):
            owner.claim(key, 7)
    finally:
        server.resume(Service.VALKEY)
    outcome = eventually(lambda: owner.claim(key, 7)[0], 10)
    assert outcome in {ClaimOutcome.NEW, ClaimOutcome.RESUMED}, "the same call again gives the same claim"


class Cutter:
    """A TCP proxy that can swallow a reply and break the connection."""

    def __init__(self, port: int) -> None:
        self.target = port
        self.cuts = 0
        self.listener = socket.create_server((LOOPBACK, 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self) -> None:
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            upstream = socket.create_connection((LOOPBACK, self.target))
            for source, sink, is_reply in ((client, upstream, False), (upstream, client, True)):
                threading.Thread(target=self.pump, args=(source, sink, is_reply), daemon=True).start()

    def pump(self, source: socket.socket, sink: socket.socket, is_reply: bool) -> None:
        try:
            while data := source.recv(1 << 16):
                if is_reply and self.cuts > 0:
                    self.cuts -= 1
                    break
                sink.sendall(data)
        except OSError:
            pass
        for end in (source, sink):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        self.listener.close()


def test_a_lost_reply_is_asked_for_again(server: Stack, raw: redis.Redis) -> None:
    cutter = Cutter(raw.connection_pool.connection_kwargs["port"])
    ledger = Ledger.connect(f"redis://{LOOPBACK}:{cutter.port}/0", new_scope(), SETTINGS, socket_timeout=2)
    owner, first, second = Owner(ledger), new_key(), new_key()
    owner.claim(first, 1)
    cutter.cuts = 1
    result = owner.exchange(
        completions=Completions([first], [PAYLOAD]), claims=Claims([second], [PAYLOAD], [0], [2])
    )
    assert result.retried
    assert list(result.claims) == [ClaimOutcome.RESUMED]
    assert result.completions == {0: CompletionOutcome.ALREADY}
    cutter.cuts = 2
    with pytest.raises(LedgerUnavailable):
        owner.claim(second, 2)
    assert owner.claim(second, 2)[0] is ClaimOutcome.RESUMED
    ledger.close()
    cutter.close()


def test_replicas_are_waited_for(tmp_path: Path, url: str, raw: redis.Redis) -> None:
    wanted = LedgerSettings(min_replicas_acked=1, replica_timeout=0.2)
    scope = new_scope()
    strict = Ledger.connect(url, scope, wanted)
    owner = Owner(strict)
    key = new_key()
    with pytest.raises(LedgerUnderReplicated) as caught:
        owner.claim(key, 1)
    assert (caught.value.acked, list(caught.value.result.claims)) == (0, [ClaimOutcome.NEW])
    with Stack(tmp_path / "replica", [Service.VALKEY]) as other:
        replica_url = str(other.endpoints.redis_url)
        with redis.Redis.from_url(replica_url) as replica:
            replica.replicaof(LOOPBACK, raw.connection_pool.connection_kwargs["port"])
            eventually(lambda: replica.info("replication")["master_link_status"] == "up")

            def claimed() -> bool:
                try:
                    return owner.claim(key, 1)[0] is ClaimOutcome.RESUMED
                except LedgerUnderReplicated:
                    return False

            eventually(claimed)
            before = strict.round_trips
            owner.claim(new_key(), 2)
            assert strict.round_trips - before == 1
            follower = Ledger.connect(replica_url, scope, wanted)
            with pytest.raises(LedgerUnavailable, match="read only"):
                follower.register(owner.id)
            follower.close()
    strict.close()


def test_a_permission_list_confines_a_scope(url: str, raw: redis.Redis) -> None:
    scope, foreign = new_scope(), new_scope()
    rules = ["~" + scope_tag(scope) + "*", *(f"+{command}" for command in ACL_COMMANDS)]
    raw.execute_command(
        "ACL", "SETUSER", "consumer", "reset", "on", ">pass", "resetkeys", "resetchannels", *rules
    )
    try:
        mine = Ledger.connect(url, scope, SETTINGS, username="consumer", password="pass")
        owner, key = Owner(mine), new_key()
        assert owner.claim(key, 1)[0] is ClaimOutcome.NEW
        assert owner.complete(key) is CompletionOutcome.OWN
        mine.inspect(key)
        mine.identity()
        mine.stats()
        mine.read_watermarks([(TOPIC, 0)])
        mine.retire(owner.id)
        raw.script_flush()
        mine.register(owner.id)
        other = Ledger.connect(url, foreign, SETTINGS, username="consumer", password="pass")
        with pytest.raises(LedgerMisconfigured):
            other.register(owner.id)
        with pytest.raises(LedgerMisconfigured):
            Ledger.connect(url, scope, SETTINGS, username="consumer", password="wrong")
        mine.close()
        other.close()
    finally:
        raw.execute_command("ACL", "DELUSER", "consumer")


def test_many_rows_are_one_command(url: str, raw: redis.Redis) -> None:
    """Where the server has MSETEX and the user may run it; a user's list without it is enough."""
    scope = new_scope()
    rules = ["~" + scope_tag(scope) + "*", *(f"+{command}" for command in ACL_COMMANDS)]
    raw.execute_command("ACL", "SETUSER", "plain", "reset", "on", ">pass", "resetkeys", *rules)
    raw.execute_command(
        "ACL", "SETUSER", "many", "reset", "on", ">pass", "resetkeys", *rules, "+mget", "+msetex"
    )
    try:
        for user, commands in (("plain", 0), ("many", 6)):
            raw.config_resetstat()
            ledger = Ledger.connect(url, scope, SETTINGS, username=user, password="pass")
            owner, keys = Owner(ledger), [new_key() for _ in range(300)]
            assert owner.claim_all(keys, range(300)).all_new
            assert not owner.exchange(completions=Completions(keys, [PAYLOAD] * 300)).completions
            assert raw.info("commandstats").get("cmdstat_msetex", {"calls": 0})["calls"] == commands
            assert all(abs(remaining(ledger, key) - SETTINGS.done_ttl) < 60 for key in keys[::50])
            ledger.close()
    finally:
        raw.execute_command("ACL", "DELUSER", "plain", "many")


def test_another_number_of_buckets_is_refused(url: str, raw: redis.Redis) -> None:
    scope = new_scope()
    one = Ledger.connect(url, scope, SETTINGS)
    Owner(one)
    many = Ledger.connect(url, scope, LedgerSettings(buckets=16))
    with pytest.raises(LedgerMisconfigured, match="1:1"):
        Owner(many)
    one.close()
    many.close()


def test_connections_of_the_resource_fit(url: str, raw: redis.Redis) -> None:
    ledger = Ledger.connect(url, new_scope(), SETTINGS, **RedisConnection(url).kwargs)
    assert Owner(ledger).claim(new_key())[0] is ClaimOutcome.NEW
    ledger.close()


def test_tls_is_spoken_where_the_url_says_so(server: Stack) -> None:
    """A server without TLS answers with nothing that is TLS: the attempt is what can be seen."""
    secure = str(server.endpoints.redis_url).replace("redis://", "rediss://")
    with pytest.raises(LedgerUnavailable, match=r"(?i)ssl|tls|reset|closed|timeout|timed out"):
        Ledger.connect(secure, new_scope(), SETTINGS, socket_timeout=1, **RedisConnection(secure).kwargs)


def test_an_evicting_server_is_warned_of(
    url: str, raw: redis.Redis, caplog: pytest.LogCaptureFixture
) -> None:
    raw.config_set("maxmemory-policy", "allkeys-lru")
    try:
        Ledger.connect(url, new_scope(), SETTINGS).close()
    finally:
        raw.config_set("maxmemory-policy", "noeviction")
    assert "noeviction" in caplog.text


def test_scopes_never_meet(url: str, raw: redis.Redis) -> None:
    for scope in ("payments", "refunds"):
        ledger = Ledger.connect(url, scope, SETTINGS)
        assert Owner(ledger).claim(Keyspace(scope).key(b"order-1"))[0] is ClaimOutcome.NEW
        ledger.close()
    assert {len(key) for key in raw.scan_iter() if raw.type(key) != b"hash"} == {23}


def test_threads_share_a_ledger(ledger: Ledger) -> None:
    crew = [Owner(ledger, take=False) for _ in range(4)]
    crew[0].take()
    keys = [new_key() for _ in range(200)]
    won: list[list[int]] = [[] for _ in crew]

    def work(number: int) -> None:
        member = crew[number]
        member.held = crew[0].held
        for start in range(0, 200, 20):
            result = member.claim_all(keys[start : start + 20], range(number * 1000, number * 1000 + 20))
            won[number] += [
                start + row for row, value in enumerate(result.claims) if ClaimOutcome(value).held
            ]

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert sorted(row for rows in won for row in rows) == list(range(200))


def test_a_done_id_is_small(tmp_path: Path) -> None:
    """On a server of its own: a replication backlog alone would be 50 bytes an id."""
    ids, batch = 200_000, 4000
    with Stack(tmp_path / "small", [Service.VALKEY]) as stack:
        ledger = Ledger.connect(str(stack.endpoints.redis_url), new_scope(), SETTINGS)
        owner = Owner(ledger)
        before = ledger.stats().used_bytes
        done = Completions()
        for start in range(0, ids, batch):
            keys = [new_key() for _ in range(batch)]
            digests = [key[:8] for key in keys]
            owner.exchange(
                completions=done, claims=Claims(keys, digests, [0] * batch, range(start, start + batch))
            )
            done = Completions(keys, digests)
        owner.exchange(completions=done)
        per_id = (ledger.stats().used_bytes - before) / ids
        ledger.close()
    assert 60 < per_id <= 95
