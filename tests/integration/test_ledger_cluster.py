"""The ledger on a real cluster: the specification, and slots that move under it."""

from __future__ import annotations

import threading
import uuid
from typing import TYPE_CHECKING

import pytest
from redis.cluster import ClusterNode, RedisCluster

from doublegate.contract.connections import RedisConnection
from doublegate.contract.scope import scope_tag
from doublegate.gate.ledger import Ledger
from doublegate.gate.ledger_codec import field_of
from doublegate.gate.ledger_errors import LedgerUnavailable
from doublegate.gate.ledger_types import (
    Assignment,
    ClaimOutcome,
    Claims,
    CompletionOutcome,
    Completions,
    SessionStatus,
)
from doublegate.local.ports import free_ports
from tests.helpers import eventually
from tests.ledger_spec import PAYLOAD, SETTINGS, TOPIC, LedgerSpec, Owner, new_key

if TYPE_CHECKING:
    from collections.abc import Iterator

    import redis

    from doublegate.local.valkey_cluster import ValkeyCluster

MASTERS = 3


def new_scope() -> str:
    return f"test-{uuid.uuid4().hex}"


@pytest.fixture
def client(valkey_cluster: ValkeyCluster) -> Iterator[RedisCluster]:
    client = RedisCluster.from_url(valkey_cluster.url)
    yield client
    client.close()


@pytest.fixture
def ledger(valkey_cluster: ValkeyCluster) -> Iterator[Ledger]:
    ledger = Ledger.connect(
        valkey_cluster.url, new_scope(), SETTINGS, **RedisConnection(valkey_cluster.url).kwargs
    )
    yield ledger
    ledger.close()


class TestLedgerOnCluster(LedgerSpec):
    """16 buckets on 3 nodes."""

    round_trips_per_batch = MASTERS

    @pytest.fixture(autouse=True)
    def _reach(self, client: RedisCluster) -> None:
        self.client = client

    def end_session(self, ledger: Ledger, owner: bytes) -> None:
        for bucket in range(ledger._keys.buckets):
            self.client.hset(ledger._keys.sessions(bucket), owner, 0)

    def lose_data(self, ledger: Ledger) -> None:
        for key in list(self.client.scan_iter(match=f"{scope_tag(ledger._keys.scope)}*", count=1000)):
            self.client.delete(key)

    def test_rows_are_spread(self, ledger: Ledger) -> None:
        owner, keys = Owner(ledger), [bytes([number]) * 16 for number in range(64)]
        assert owner.claim_all(keys, range(64)).all_new
        nodes = {self.client.get_node_from_key(ledger._keys.entry(key)).name for key in keys}
        assert len(nodes) == MASTERS


def test_whoever_took_last_wins_in_every_bucket(ledger: Ledger, client: RedisCluster) -> None:
    """Two owners take the same partition again and again, at once."""
    taken: list[int] = []

    def take() -> None:
        for _ in range(15):
            taken.extend(ledger.take_epochs([(TOPIC, 0)]))

    threads = [threading.Thread(target=take) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    field = field_of(TOPIC, 0)
    standing = {int(client.hget(ledger._keys.epochs(bucket), field)) for bucket in range(16)}
    assert standing == {max(taken)}
    assert len(set(taken)) == len(taken)


def test_a_bucket_that_is_ahead_is_overtaken(ledger: Ledger, client: RedisCluster) -> None:
    """Bucket 0's node lost its data and its clock is behind: its epochs alone would be stale."""
    owner, key = Owner(ledger), new_key()
    ahead = owner.held[0].epoch + 10**12
    client.hset(ledger._keys.epochs(5), field_of(TOPIC, 0), ahead)
    (epoch,) = ledger.take_epochs([(TOPIC, 0)])
    assert epoch > ahead
    owner.held[0] = Assignment(TOPIC, 0, epoch)
    assert owner.claim(key)[0] is ClaimOutcome.NEW


def test_a_session_lost_in_one_bucket_is_lost(ledger: Ledger, client: RedisCluster) -> None:
    owner = Owner(ledger)
    client.delete(ledger._keys.sessions(9))
    assert ledger.renew(owner.id) is SessionStatus.LOST
    ledger.register(owner.id)
    assert ledger.renew(owner.id) is SessionStatus.ALIVE


class Move:
    """A slot on its way from one node to another, step by step."""

    def __init__(self, client: RedisCluster, key: bytes) -> None:
        self.slot = client.keyslot(key)
        self.source = client.get_node_from_key(key)
        self.target = next(node for node in client.get_primaries() if node.name != self.source.name)
        self.nodes = [client.get_redis_connection(node) for node in client.get_primaries()]
        self.at_source: redis.Redis = client.get_redis_connection(self.source)
        self.at_target: redis.Redis = client.get_redis_connection(self.target)
        self.ids = [
            node.execute_command("CLUSTER", "MYID").decode() for node in (self.at_source, self.at_target)
        ]

    def begin(self) -> None:
        self.at_target.execute_command("CLUSTER", "SETSLOT", self.slot, "IMPORTING", self.ids[0])
        self.at_source.execute_command("CLUSTER", "SETSLOT", self.slot, "MIGRATING", self.ids[1])

    def keys(self, many: int) -> list[bytes]:
        return self.at_source.execute_command("CLUSTER", "GETKEYSINSLOT", self.slot, many)

    def carry(self, many: int = 10_000) -> None:
        if keys := self.keys(many):
            place = (self.target.host, self.target.port)
            self.at_source.execute_command("MIGRATE", *place, "", 0, 5000, "KEYS", *keys)

    def end(self) -> None:
        for node in (self.at_target, self.at_source, *self.nodes):
            node.execute_command("CLUSTER", "SETSLOT", self.slot, "NODE", self.ids[1])


def test_a_slot_moves_under_a_working_owner(ledger: Ledger, client: RedisCluster) -> None:
    owner = Owner(ledger)
    first = [bytes([number]) * 16 for number in range(16)]
    assert owner.claim_all(first, range(16)).all_new
    move = Move(client, ledger._keys.entry(first[3]))

    finish = {
        "completions": Completions(first, [PAYLOAD] * 16),
        "claims": Claims(first, [PAYLOAD] * 16, [0] * 16, range(20, 36)),
    }
    move.begin()
    with pytest.raises(LedgerUnavailable):  # a moving slot refuses scripts that name new keys
        owner.exchange(**finish)
    move.carry()
    with pytest.raises(LedgerUnavailable):
        owner.exchange(**finish)

    move.end()  # the client still asks the old node: MOVED
    result = owner.exchange(**finish)
    assert set(result.completions.values()) <= {CompletionOutcome.ALREADY}, (
        "other buckets were finished before"
    )
    assert list(result.claims) == [ClaimOutcome.DUPLICATE] * 16
    second = [bytes([number]) * 15 + b"2" for number in range(16)]
    assert owner.claim_all(second, range(40, 56)).all_new
    assert (
        eventually(lambda: owner.claim_all(second, range(40, 56)).claims)
        == bytes([ClaimOutcome.RESUMED]) * 16
    )
    assert owner.claim_all(first, range(60, 76)).claims == bytes([ClaimOutcome.DUPLICATE]) * 16


def test_a_node_that_is_gone_is_looked_for(ledger: Ledger) -> None:
    """The client's map names a node that does not answer, as after a failover."""
    owner, key = Owner(ledger), bytes(16)
    nodes = ledger._link._client.nodes_manager
    slot = ledger._link._client.keyslot(ledger._keys.entry(key))
    (port,) = free_ports(1)
    gone = ClusterNode("127.0.0.1", port, "primary")
    nodes.slots_cache[slot] = [gone]
    nodes.create_redis_connections([gone])
    assert eventually(lambda: held_in_time(owner, key), 10)


def held_in_time(owner: Owner, key: bytes) -> bool:
    try:
        return owner.claim(key)[0].held
    except LedgerUnavailable:
        return False
