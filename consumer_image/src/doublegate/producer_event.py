"""One event on its way out of `Producer`: its parts as they go on the wire, and its id."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypedDict

from confluent_kafka import KafkaError, Message
from opentelemetry.trace import Span

from doublegate.contract.headers import CORRELATION_ID, Headers
from doublegate.contract.identity import MAX_ID_BYTES
from doublegate.producer_errors import InvalidEvent
from doublegate.telemetry.spans import first_header

__all__ = ["Delivery", "EventParts", "Outgoing", "identity_of"]

Delivery = Callable[[KafkaError | None, Message], None]
"""Told the outcome of one event, from within `produce`, `poll` or `flush`."""


class EventParts(TypedDict, total=False):
    """What `produce` takes by keyword besides topic and value."""

    key: bytes | str | None
    event_id: bytes | str | None
    headers: Headers | None
    on_delivery: Delivery | None


@dataclass(slots=True)
class Outgoing:
    """An event that the client has not taken yet.

    Attributes:
        identity: its id as text.
        topic: where to.
        payload: the bytes, None for a tombstone.
        key: orders and places it.
        headers: all of them.
        report: told the outcome.
        span: to end if it is not sent.
        admitted: the consumers bear it.
        tried: it was offered before.
    """

    identity: str
    topic: str
    payload: bytes | None
    key: bytes | str
    headers: list[tuple[str, str | bytes | None]]
    report: Delivery
    span: Span | None
    admitted: bool
    tried: bool = False


def identity_of(event_id: bytes | str | None, headers: Headers) -> tuple[str, bytes]:
    """The id as text and as it goes on the wire."""
    if event_id is None and (event_id := first_header(headers, CORRELATION_ID)) is None:
        # from the system, not from `random`: a fork or a seed must never make an id twice
        event_id = os.urandom(16).hex()
    try:
        text, raw = (
            (event_id, event_id.encode()) if isinstance(event_id, str) else (event_id.decode(), event_id)
        )
    except UnicodeError as error:
        raise InvalidEvent(f"event id {event_id!r} is not UTF-8: {error}") from error
    if not 0 < len(raw) <= MAX_ID_BYTES:
        raise InvalidEvent(
            f"event id {text[:64]!r} has {len(raw)} bytes; allowed: 1 to {MAX_ID_BYTES} of UTF-8"
        )
    return text, raw
