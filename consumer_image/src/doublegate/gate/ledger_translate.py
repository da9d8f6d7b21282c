"""The client's errors, sorted by what to do next."""

from collections.abc import Iterator
from contextlib import contextmanager

import redis
from redis.exceptions import (
    AskError,
    AuthenticationError,
    AuthorizationError,
    BusyLoadingError,
    ClusterDownError,
    ClusterError,
    NoPermissionError,
    NoScriptError,
    ReadOnlyError,
    RedisClusterException,
    RedisError,
    TryAgainError,
)

from doublegate.gate.ledger_errors import LedgerMisconfigured, LedgerUnavailable

__all__ = ["NEVER", "SENT_ELSEWHERE", "translated"]

NEVER = (AuthenticationError, AuthorizationError, NoPermissionError)
SENT_ELSEWHERE = (NoScriptError, AskError, TryAgainError, ClusterDownError)
"""Answers after which the one call is sent again, with its source and along redirects."""
_AGAIN_LATER = (
    redis.ConnectionError,
    redis.TimeoutError,
    BusyLoadingError,
    ClusterError,  # a slot that moves refuses scripts with new keys (TRYAGAIN) until it has moved
    ReadOnlyError,
    RedisClusterException,
    TryAgainError,
)
_AGAIN_LATER_CODES = ("LOADING", "CLUSTERDOWN", "MASTERDOWN", "TRYAGAIN", "NOREPLICAS", "BUSY", "MISCONF")


@contextmanager
def translated() -> Iterator[None]:
    """Turns the client's errors into the ledger's, named for what to do next."""
    try:
        yield
    except NEVER as error:
        raise LedgerMisconfigured(f"the ledger refuses us: {error}") from error
    except _AGAIN_LATER as error:
        raise LedgerUnavailable(f"the ledger can't be reached or can't answer now: {error}") from error
    except RedisError as error:
        if str(error).startswith(_AGAIN_LATER_CODES):
            raise LedgerUnavailable(f"the ledger can't answer now: {error}") from error
        raise LedgerMisconfigured(f"the ledger does not understand us: {error}") from error
