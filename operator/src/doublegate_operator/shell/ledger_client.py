"""A connection to the ledger for one look: every wait bounded, and its errors sorted by what to do next."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import redis
from redis.backoff import NoBackoff
from redis.cluster import RedisCluster
from redis.exceptions import (
    AuthenticationError,
    AuthorizationError,
    BusyLoadingError,
    ClusterError,
    NoPermissionError,
    ReadOnlyError,
    RedisClusterException,
    RedisError,
    TryAgainError,
)
from redis.retry import Retry

from doublegate.contract.connections import RedisConnection
from doublegate.contract.errors import SecretUnavailable
from doublegate.contract.gate_spec import LedgerSpec
from doublegate_operator.core.facts import Failure
from doublegate_operator.core.reasons import Reason
from doublegate_operator.shell.secrets import secret_failure

__all__ = ["LedgerClient", "nodes_of", "with_ledger"]

T = TypeVar("T")

LedgerClient = redis.Redis | RedisCluster

_SECONDS = 3.0
"""For one question; a look asks a few."""
_CLUSTER_TRIES = 2
_NO_ACCESS = (AuthenticationError, AuthorizationError, NoPermissionError)
_AWAY = (
    redis.ConnectionError,
    redis.TimeoutError,
    BusyLoadingError,
    ClusterError,
    ReadOnlyError,
    RedisClusterException,
    TryAgainError,
)
_AWAY_CODES = ("LOADING", "CLUSTERDOWN", "MASTERDOWN", "TRYAGAIN", "NOREPLICAS", "BUSY", "MISCONF")


def with_ledger(spec: LedgerSpec, root: Path, do: Callable[[LedgerClient], T]) -> T | Failure:
    """Connect, ask and disconnect; blocking."""
    try:
        connection = RedisConnection.from_spec(spec, root)
    except SecretUnavailable as error:
        return secret_failure(error, root, spec.secret_ref)
    try:
        with contextlib.closing(_connected(connection.kwargs)) as client:
            return do(client)
    except _NO_ACCESS as error:
        secret = f"Secret {spec.secret_ref}" if spec.secret_ref else "spec.ledger.secretRef, which is not set"
        text = f"The ledger {spec.url} does not let us: {error}. Correct {secret}, or the user's rights."
        return Failure(Reason.LEDGER_REFUSED, text)
    except (*_AWAY, OSError) as error:
        return _away(spec, type(error).__name__)
    except RedisError as error:
        if str(error).startswith(_AWAY_CODES):
            return _away(spec, str(error).split(maxsplit=1)[0])
        return Failure(Reason.LEDGER_REFUSED, f"The ledger {spec.url} does not understand us: {error}")


def nodes_of(client: LedgerClient) -> list[redis.Redis]:
    """The servers that take writes."""
    if isinstance(client, RedisCluster):
        untyped: Any = client  # redis-py leaves it half typed
        return [untyped.get_redis_connection(node) for node in untyped.get_primaries()]
    return [client]


def _connected(kwargs: dict[str, Any]) -> LedgerClient:
    limits: dict[str, Any] = {"socket_timeout": _SECONDS, "socket_connect_timeout": _SECONDS}
    single = redis.Redis(**kwargs, **limits, retry=Retry(NoBackoff(), 0))
    with contextlib.ExitStack() as undo:
        undo.callback(single.close)
        if not single.info("cluster").get("cluster_enabled"):
            undo.pop_all()
            return single
    known = {name: value for name, value in kwargs.items() if name != "db"}  # a cluster has one
    return RedisCluster(**known, **limits, retry=Retry(NoBackoff(), _CLUSTER_TRIES))


def _away(spec: LedgerSpec, why: str) -> Failure:
    text = f"The ledger {spec.url} does not answer ({why}). Is it up, and may the operator reach it?"
    return Failure(Reason.LEDGER_UNAVAILABLE, text)
