"""Questions about the ledger's server itself: is it fit, is it the same as before, how full is it."""

import logging
from typing import Final

from redis.exceptions import RedisError

from doublegate.gate.ledger_errors import LedgerMisconfigured
from doublegate.gate.ledger_link import Link
from doublegate.gate.ledger_translate import translated
from doublegate.gate.ledger_types import LedgerStats

__all__ = ["ACL_COMMANDS", "check_server", "server_identity", "server_stats"]

OLDEST: Final = (7, 0)
ACL_COMMANDS: Final = (
    *("eval", "evalsha", "script|load", "wait", "get", "pttl", "set", "del", "time"),
    *("hget", "hset", "hsetnx", "hgetall", "hmget", "hdel"),
    *("zadd", "zrem", "zrange", "zrevrange", "zremrangebyscore", "pexpire"),
    *("ping", "info", "dbsize", "client|setinfo", "cluster|slots", "cluster|shards"),
)
"""What a consumer's user must be allowed, on keys `~<scope tag>*`."""
log = logging.getLogger(__name__)


def check_server(link: Link) -> None:
    """Refuse a server that is too old; warn of one that may forget events.

    Raises:
        LedgerMisconfigured: older than Redis 7.0.
        LedgerUnavailable: it can't be asked now.
    """
    with translated():
        for node in link.each_node():
            server = node.info("server")
            version = str(server["redis_version"])
            if tuple(int(part) for part in version.split(".")[:2]) < OLDEST:
                raise LedgerMisconfigured(f"the ledger needs Redis 7.0 or Valkey, the server is {version}")
            _warn_of_eviction(str(node.info("memory").get("maxmemory_policy", "noeviction")))
            _warn_of_no_persistence(node)


def _warn_of_eviction(policy: str) -> None:
    if policy != "noeviction":
        log.warning(
            "the ledger's server has maxmemory-policy %s: it may throw events away and let their effects "
            "happen again; set noeviction",
            policy,
        )


def _warn_of_no_persistence(node: object) -> None:
    try:
        persistent = node.info("persistence").get("aof_enabled")  # type: ignore[attr-defined]
    except RedisError:
        return
    if not persistent:
        log.info("the ledger's server has no append-only file: a restart forgets the ledger")


def server_identity(link: Link) -> str:
    """Run ids and replication ids of the primaries; another one means that writes may be missing."""
    with translated():
        parts = [
            f"{node.info('server')['run_id']}/{node.info('replication').get('master_replid', '')}"
            for node in link.each_node()
        ]
    return ",".join(sorted(parts))


def server_stats(link: Link) -> LedgerStats:
    """Sums over the primaries."""
    keys = used = limit = evicted = 0
    with translated():
        for node in link.each_node():
            memory = node.info("memory")
            keys += int(node.dbsize())
            used += int(memory["used_memory"])
            limit += int(memory.get("maxmemory", 0))
            evicted += int(node.info("stats").get("evicted_keys", 0))
    return LedgerStats(keys=keys, used_bytes=used, max_bytes=limit, evicted=evicted)
