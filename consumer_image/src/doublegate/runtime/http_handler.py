"""`handler: http: {url}`: each event is a POST, told apart by its `Idempotency-Key`."""

import email.utils
import json
import time
from typing import Any
from urllib.parse import quote

import aiohttp

from doublegate.runtime.event import Context, Event
from doublegate.runtime.handler import Handler, Value
from doublegate.runtime.outcome import Reject, Retry, Unknown

__all__ = ["http_handler"]

_NOT_PERFORMED = {408, 425, 429}
"""The far side says that it did not work on the request, and that it may come again."""
_CONFLICT = 409
_POOL = 256
_KEEPALIVE_SECONDS = 15.0
_CONNECT_SECONDS = 5.0
_MAX_BODY = 300
_MAX_RETRY_AFTER = 3600.0


def http_handler(url: str, *, decoded: bool, headers: dict[str, str] | None = None) -> Handler:
    """A handler that posts each event to `url`.

    Args:
        url: http or https.
        decoded: send the decoded record as JSON (where a schema is configured), else the payload's bytes.
        headers: sent with each request, for an `Authorization` say.
    """
    caller = _Caller(url, decoded=decoded, headers=headers or {})
    return Handler(
        name=url,
        function=caller.post,
        is_async=True,
        batch=False,
        takes_context=True,
        value=Value.RECORD if decoded else Value.RAW,
        nullable=True,
        close=caller.close,
    )


class _Caller:
    def __init__(self, url: str, *, decoded: bool, headers: dict[str, str]) -> None:
        self._url = url
        self._decoded = decoded
        self._headers = headers
        self._session: aiohttp.ClientSession | None = None

    async def post(self, event: Event[Any], context: Context) -> None:
        """Send one event; what it raises says how the attempt ended.

        No connection is left to `executors_outcomes.of_handler`: refused is NotDone, a lost answer Unknown.
        """
        if self._session is None:
            self._session = self._open()
        headers = {
            "Idempotency-Key": context.idempotency_key(event),
            "Doublegate-Event-Id": quote(event.id, safe=""),
            "Doublegate-Topic": event.topic,
            "Doublegate-Partition": str(event.partition),
            "Doublegate-Offset": str(event.offset),
            "Doublegate-Timestamp": str(event.timestamp_ms),
            "Doublegate-Attempt": str(event.attempt),
            "Doublegate-Unknown": str(event.unknown).lower(),
            "Doublegate-Owner": context.owner,
            "Doublegate-Epoch": str(event.epoch),
            **context.trace_headers(event),
        }
        if event.value is None:
            headers["Doublegate-Tombstone"] = "true"
        body, headers["Content-Type"] = self._body(event)
        async with self._session.post(self._url, data=body, headers=headers, allow_redirects=False) as answer:
            if answer.status < 200 or answer.status > 299:
                raise _failure(
                    answer, (await answer.content.read(_MAX_BODY)).decode("utf-8", "replace"), event
                )

    async def close(self) -> None:
        """Close the connections."""
        if self._session is not None:
            await self._session.close()

    def _open(self) -> aiohttp.ClientSession:
        return aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=_POOL, keepalive_timeout=_KEEPALIVE_SECONDS),
            # The executor's deadline is the request's; only the way there has its own, for it proves NotDone.
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=_CONNECT_SECONDS),
            headers={"User-Agent": "doublegate", **self._headers},
            cookie_jar=aiohttp.DummyCookieJar(),
        )

    def _body(self, event: Event[Any]) -> tuple[bytes, str]:
        if self._decoded:
            text = json.dumps(event.value, default=_plain, ensure_ascii=False, separators=(",", ":"))
            return text.encode(), "application/json"
        return event.value or b"", "application/octet-stream"


def _plain(value: Any) -> Any:
    """What a decoder may give beyond JSON: times, decimals, uuids as text, bytes one character each."""
    if isinstance(value, bytes):
        return value.decode("latin-1")
    return value.isoformat() if hasattr(value, "isoformat") else str(value)


def _failure(answer: aiohttp.ClientResponse, body: str, event: Event[Any]) -> Exception:
    text = f"HTTP {answer.status} {answer.reason or ''}: {body}".strip()
    if answer.status in _NOT_PERFORMED:
        return Retry(text, after=_retry_after(answer.headers.get("Retry-After")))
    if answer.status == _CONFLICT and (event.unknown or event.attempt > 1):
        return Unknown(f"{text} (an earlier attempt with this Idempotency-Key may still be worked on)")
    if answer.status >= 500:
        return Unknown(text)
    if answer.status < 400:
        return Reject(f"{text} (redirects are not followed: to {answer.headers.get('Location', 'nowhere')})")
    return Reject(text)


def _retry_after(value: str | None) -> float | None:
    """Seconds to wait: the header holds seconds or a date (RFC 9110, 10.2.3)."""
    if value is None:
        return None
    try:
        seconds = (
            float(value)
            if value.isdigit()
            else email.utils.parsedate_to_datetime(value).timestamp() - time.time()
        )
    except ValueError:
        return None
    return min(max(seconds, 0.0), _MAX_RETRY_AFTER)
