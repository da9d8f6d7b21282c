"""The way to the servers: one pipeline per node for a list of script calls, whatever stands behind the URL.

Every call is idempotent for its owner, so what was cut off, redirected or unknown to a server is sent again.
"""

import threading
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final, Self

import redis
from redis.backoff import NoBackoff
from redis.cluster import RedisCluster
from redis.exceptions import OutOfMemoryError
from redis.retry import Retry

from doublegate.gate.ledger_packer import BatchPacker, KeyBatch
from doublegate.gate.ledger_scripts import SCRIPTS, Script
from doublegate.gate.ledger_translate import NEVER, SENT_ELSEWHERE, translated

__all__ = ["Call", "Link", "Replies"]

SOCKET_TIMEOUT: Final = 5.0
CLUSTER_RETRIES: Final = 2
IN_THE_URL: Final = frozenset({"host", "port", "db", "ssl"})


@dataclass(frozen=True, slots=True)
class Call:
    """One script call; all its keys share the hash tag of `keys.hashes[0]`."""

    script: Script
    keys: KeyBatch
    args: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Replies:
    """Answers in the order of the calls; an `OutOfMemoryError` stands in the place of a refused one.

    Attributes:
        values: the answers.
        acked: replicas that acknowledged, the fewest of all nodes; None when nobody asked.
        retried: some call was sent twice.
    """

    values: list[Any]
    acked: int | None
    retried: bool


class Link:
    """Thread-safe; counts its round trips."""

    def __init__(self, client: redis.Redis | RedisCluster, *, packs: bool = False) -> None:
        self._client = client
        self._untyped: Any = client  # redis-py leaves its cluster client half typed
        self._packs = packs
        self._lock = threading.Lock()
        self.round_trips = 0

    @classmethod
    def open(cls, url: str, **options: Any) -> Self:
        """Connect, finding out whether a cluster answers.

        Args:
            url: `redis://`, `rediss://` or `unix://`.
            options: keyword arguments of redis-py's connections (password, TLS, timeouts in seconds); what
                the URL says already is left to it.

        Raises:
            LedgerUnavailable: nobody answers there.
            LedgerMisconfigured: it refuses the credentials.
        """
        common = {
            "protocol": 2,
            "socket_timeout": SOCKET_TIMEOUT,
            "socket_connect_timeout": SOCKET_TIMEOUT,
        } | {name: value for name, value in options.items() if name not in IN_THE_URL}
        common["retry"] = Retry(NoBackoff(), 0)
        pool = redis.ConnectionPool.from_url(url, **common, command_packer=BatchPacker())
        single = redis.Redis(connection_pool=pool)
        with translated():
            if not single.info("cluster").get("cluster_enabled"):
                return cls(single, packs=True)
            single.close()
            common["retry"] = Retry(NoBackoff(), CLUSTER_RETRIES)
            return cls(RedisCluster.from_url(url, **common))

    @property
    def is_cluster(self) -> bool:
        """Whether hash tags matter."""
        return isinstance(self._client, RedisCluster)

    def close(self) -> None:
        """Give the connections back."""
        self._client.close()

    def run(self, calls: Sequence[Call], *, replicas: int = 0, replica_timeout: float = 0.0) -> Replies:
        """Send the calls, one pipeline per node, and once more where a connection broke.

        Args:
            calls: run in this order on each node.
            replicas: wait until so many replicas of each node have the writes.
            replica_timeout: seconds to wait for them at most.

        Raises:
            LedgerUnavailable: try again later.
            LedgerMisconfigured: trying again won't help.
        """
        values: list[Any] = [None] * len(calls)
        acked: int | None = None
        retried = False
        with translated():
            for node, indices in self._by_node(calls):
                mine = [calls[index] for index in indices]
                answers, again = self._send(node, mine, replicas, replica_timeout)
                retried |= again
                if replicas:
                    count = answers.pop()
                    acked = count if acked is None else min(acked, count)
                for index, answer in zip(indices, answers, strict=True):
                    values[index] = answer
            for index, answer in enumerate(values):
                if isinstance(answer, SENT_ELSEWHERE):
                    values[index] = self._alone(calls[index])
                    acked = None if acked is None else 0  # nobody waited for its replicas
                elif isinstance(answer, Exception) and not isinstance(answer, OutOfMemoryError):
                    raise answer
        return Replies(values, acked, retried)

    def each_node(self) -> list[redis.Redis]:
        """The primaries, for questions about the server itself."""
        if isinstance(self._client, RedisCluster):
            return [self._client.get_redis_connection(node) for node in self._untyped.get_primaries()]
        return [self._client]

    def get(self, key: bytes) -> tuple[bytes | None, int]:
        """A value and its remaining milliseconds (-1: no end, -2: no key)."""
        with translated():
            self._count()
            return self._untyped.get(key), self._untyped.pttl(key)

    def put(self, key: bytes, value: bytes, seconds: float) -> None:
        """Set a value that lives for so long."""
        with translated():
            self._count()
            self._untyped.set(key, value, px=int(seconds * 1000))

    def hash_get(self, name: bytes, fields: Sequence[bytes]) -> list[bytes | None]:
        """Fields of a hash."""
        with translated():
            self._count()
            return list(self._untyped.hmget(name, list(fields)))

    def hash_put(self, name: bytes, field: bytes, value: bytes, seconds: float) -> None:
        """Set a field of a hash that, as a whole, lives for so long from now."""
        with translated():
            self._count()
            self._untyped.hset(name, field, value)
            self._untyped.pexpire(name, int(seconds * 1000))

    def hash_all(self, name: bytes) -> dict[bytes, bytes]:
        """All fields of a hash."""
        with translated():
            self._count()
            return dict(self._untyped.hgetall(name))

    def hash_delete(self, name: bytes, field: bytes) -> None:
        """Forget a field of a hash."""
        with translated():
            self._count()
            self._client.hdel(name, field)

    def _count(self) -> None:
        with self._lock:
            self.round_trips += 1

    def _by_node(self, calls: Sequence[Call]) -> Iterable[tuple[redis.Redis, list[int]]]:
        if not isinstance(self._client, RedisCluster):
            return [(self._client, list(range(len(calls))))]
        nodes: dict[str, tuple[redis.Redis, list[int]]] = {}
        for index, call in enumerate(calls):
            node = self._untyped.get_node_from_key(call.keys.hashes[0])
            if node.name not in nodes:
                nodes[node.name] = (self._client.get_redis_connection(node), [])
            nodes[node.name][1].append(index)
        return nodes.values()

    def _send(
        self, node: redis.Redis, calls: Sequence[Call], replicas: int, replica_timeout: float
    ) -> tuple[list[Any], bool]:
        """One pipeline, and another one when the connection broke; then a cluster looks for the new node."""
        for again in (False, True):
            try:
                return self._pipeline(node, calls, replicas, replica_timeout), again
            except (redis.ConnectionError, redis.TimeoutError) as error:
                if isinstance(error, NEVER) or (again and not self.is_cluster):
                    raise
        return [*map(self._alone, calls), *([0] if replicas else [])], True

    def _pipeline(
        self, node: redis.Redis, calls: Sequence[Call], replicas: int, replica_timeout: float
    ) -> list[Any]:
        pipeline: Any = node.pipeline(transaction=False)
        for call in calls:
            if self._packs:
                pipeline.execute_command("EVALSHA", call.script.sha, call.keys, *call.args)
            else:
                keys = call.keys.expanded()
                pipeline.execute_command("EVALSHA", call.script.sha, len(keys), *keys, *call.args)
        if replicas:
            pipeline.execute_command("WAIT", replicas, int(replica_timeout * 1000))
        self._count()
        return list(pipeline.execute(raise_on_error=False))

    def _alone(self, call: Call) -> Any:
        """By its source, so that any node can run it; a cluster client follows redirects by itself."""
        keys = call.keys.expanded()
        self._count()
        try:
            return self._untyped.execute_command("EVAL", call.script.source, len(keys), *keys, *call.args)
        except OutOfMemoryError as error:
            return error

    def load_scripts(self) -> None:
        """Put the scripts where they are asked for by digest."""
        with translated():
            for node in self.each_node():
                pipeline: Any = node.pipeline(transaction=False)
                for script in SCRIPTS:
                    pipeline.script_load(script.source)
                self._count()
                pipeline.execute()
