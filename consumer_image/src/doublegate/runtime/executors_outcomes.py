"""What an exception says about the effect."""

import logging
from collections.abc import Iterator

from pydantic import ValidationError

from doublegate.contract.deadletter import DeadLetterReason
from doublegate.contract.states import UnknownCause
from doublegate.runtime.outcome import Attempt, Reject, Retry, Unknown, not_done, rejected, unknown
from doublegate.schemas.errors import NotFramed, SchemaBroken, SchemaUnavailable

__all__ = ["LEASE_LOST", "NullPayload", "describe", "of_decoding", "of_handler", "of_timeout"]

log = logging.getLogger(__name__)

_MAX_CHARS = 1000
LEASE_LOST = not_done("the lease ended before the effect started", wait=True)

_NOT_SENT = frozenset(
    {
        "builtins.ConnectionRefusedError",
        "socket.gaierror",
        "aiohttp.ClientConnectorError",
        "aiohttp.ConnectionTimeoutError",
        "urllib3.NewConnectionError",
        "urllib3.ConnectTimeoutError",
        "requests.ConnectTimeout",
        "httpx.ConnectError",
        "httpx.ConnectTimeout",
        "httpx.PoolTimeout",
    }
)
"""No connection was made, so nothing was sent."""
_WRAPPERS = frozenset({"requests.ConnectionError", "urllib3.MaxRetryError", "urllib3.ProtocolError"})
"""Hide either kind; what they were raised for says which."""
_ANSWER_LOST = frozenset(
    {
        "builtins.TimeoutError",
        "builtins.ConnectionError",
        "http.IncompleteRead",
        "aiohttp.ServerConnectionError",
        "aiohttp.ClientPayloadError",
        "aiohttp.ClientOSError",
        "urllib3.TimeoutError",
        "requests.Timeout",
        "requests.ChunkedEncodingError",
        "httpx.TransportError",
        "redis.TimeoutError",
        "redis.ConnectionError",
    }
)
"""Something may have been sent, and the answer never came."""


class NullPayload(SchemaBroken):
    """A tombstone, for a handler that takes none."""


def describe(error: BaseException) -> str:
    """`TypeName: message`, of bounded length."""
    return f"{type(error).__name__}: {error}"[:_MAX_CHARS]


def of_handler(error: BaseException, *, idempotent: bool) -> Attempt:
    """The end of an attempt whose handler raised `error`.

    Args:
        error: what it raised.
        idempotent: to repeat the effect is harmless, or proven to be undone: anything unhandled is NotDone.
    """
    match error:
        case Retry():
            return not_done(describe(error), retry_after=error.after)
        case Reject():
            return rejected(describe(error))
        case Unknown():
            return unknown(describe(error), UnknownCause.DOWNSTREAM)
    log.warning("the handler raised %s", type(error).__name__, exc_info=error)
    answer_lost = False
    for link in _chain(error):
        names = _names(link)
        if names & _NOT_SENT:
            return not_done(describe(error))
        answer_lost = answer_lost or bool(names & (_ANSWER_LOST | _WRAPPERS))
        if answer_lost and not names & _WRAPPERS:
            break
    if answer_lost:
        return unknown(describe(error), UnknownCause.DOWNSTREAM)
    return not_done(describe(error)) if idempotent else unknown(describe(error), UnknownCause.EXCEPTION)


def of_timeout(seconds: float) -> Attempt:
    """The end of an attempt that took too long."""
    return unknown(f"TimeoutError: the handler ran longer than {seconds:g} s", UnknownCause.TIMEOUT)


def of_decoding(error: Exception) -> Attempt:
    """The end of an attempt whose payload could not be read; the handler was not called."""
    match error:
        case SchemaUnavailable():
            return not_done(describe(error), wait=True)
        case NotFramed():
            return rejected(describe(error), DeadLetterReason.POISON)
        case SchemaBroken() | ValidationError():
            return rejected(describe(error), DeadLetterReason.SCHEMA)
        case _:
            return rejected(describe(error), DeadLetterReason.POISON)


def _chain(error: BaseException) -> Iterator[BaseException]:
    """`error` and what it was raised for.

    An implicit context is followed through the clients' own wrappers only: elsewhere it may be a first
    failure that the handler has dealt with.
    """
    seen: set[int] = set()
    link: BaseException | None = error
    while link is not None and id(link) not in seen:
        seen.add(id(link))
        yield link
        link = link.__cause__ or (link.__context__ if _names(link) & _WRAPPERS else None)


def _names(error: BaseException) -> frozenset[str]:
    return frozenset(f"{kind.__module__.partition('.')[0]}.{kind.__name__}" for kind in type(error).__mro__)
