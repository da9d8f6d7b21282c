"""What a handler sees: the event, and the context of this attempt."""

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeVar
from urllib.parse import quote

from doublegate.contract.headers import TRACEPARENT, Headers
from doublegate.telemetry.logs import event_logger
from doublegate.telemetry.propagation import outgoing
from doublegate.telemetry.spans import first_header
from doublegate.telemetry.traceparent import trace_id_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from doublegate.telemetry.spans import ProcessSpan

__all__ = ["Context", "Event"]

T = TypeVar("T")

_LOG = logging.getLogger("doublegate.handler")


@dataclass(slots=True, eq=False)
class Event(Generic[T]):
    """One event, decoded; read it, don't write it.

    Not frozen, which costs 1.1 us an event, and compared by identity, so that it may be a dictionary's key.

    Attributes:
        id: the event id (`correlation_id`).
        value: the payload: a pydantic model, the decoded record, or bytes, as the handler's annotation asks.
        key: the record's key.
        headers: the record's headers, unchanged.
        topic: where it was first published (the source topic, for a replay too).
        partition: of the record at hand.
        offset: of the record at hand.
        timestamp_ms: the record's time, milliseconds since the epoch.
        attempt: 1 for the first.
        unknown: an earlier attempt may have performed the effect already; ask the far side, or rely on
            `Context.idempotency_key`.
        epoch: the fencing number that the event was claimed under. It grows whenever its partition changes
            hands, so a far side that remembers the highest one per partition can refuse a stale owner.
        reprocess: the order that it runs again under (`spec.reprocess.id`); empty for none.
    """

    id: str
    value: T
    key: bytes | None
    headers: Headers
    topic: str
    partition: int
    offset: int
    timestamp_ms: int
    attempt: int
    unknown: bool
    epoch: int
    reprocess: str = ""


class Context:
    """What belongs to this attempt rather than to the event.

    Args:
        scope: whose "once" it is, the consumer group.
        events: those of the attempt: one, or a batch.
        connection: the inbox's open transaction.
        spans: the `process` spans of the events that are sampled.
        owner: this process, as the ledger knows it.

    Attributes:
        scope: whose "once" it is, the consumer group.
        owner: this process, as the ledger knows it: 16 hexadecimal digits.
        connection: the inbox's open transaction (a `psycopg.Connection`, or `AsyncConnection` for an async
            handler); None without an inbox. Committed with the inbox's rows when the handler returns.
        children: what was asked to be produced: (parent, topic, value, key).
    """

    __slots__ = ("_events", "_log", "_spans", "children", "connection", "owner", "scope")

    def __init__(
        self,
        scope: str,
        events: "Sequence[Event[Any]]" = (),
        connection: Any = None,
        spans: "Mapping[Event[Any], ProcessSpan] | None" = None,
        owner: str = "",
    ) -> None:
        self.scope = scope
        self.owner = owner
        self.connection = connection
        self.children: list[tuple[Event[Any], str, Any, bytes | None]] = []
        self._events = events
        self._spans = spans or {}
        self._log: logging.LoggerAdapter[logging.Logger] | None = None

    @property
    def log(self) -> logging.LoggerAdapter[logging.Logger]:
        """A logger whose lines carry the event's and the trace's id (a batch has none)."""
        if self._log is None:
            self._log = self.log_for(self._events[0]) if len(self._events) == 1 else event_logger(_LOG, "")
        return self._log

    def log_for(self, event: Event[Any]) -> logging.LoggerAdapter[logging.Logger]:
        """A logger whose lines carry the ids of one event of a batch."""
        return event_logger(_LOG, event.id, trace_id_of(first_header(event.headers, TRACEPARENT)))

    def idempotency_key(self, event: Event[Any]) -> str:
        """The `Idempotency-Key` of the event: `<scope>:<id>`, percent-encoded.

        Under an order of `spec.reprocess`, which shall happen again, the order's name follows.
        """
        order = f":{event.reprocess}" if event.reprocess else ""
        return f"{quote(self.scope, safe='')}:{quote(event.id, safe='')}{order}"

    def produce(self, event: Event[Any], topic: str, value: Any, key: bytes | None = None) -> None:
        """Publish an event caused by `event`; acknowledged before `event` is DONE.

        Its id is a digest of (group, parent's id, index), so a second attempt sends the same id.
        """
        self.children.append((event, topic, value, key))

    def trace_headers(self, event: Event[Any] | None = None) -> dict[str, str]:
        """The trace context to send with a request, as HTTP headers.

        Args:
            event: the one that the request is for, where the attempt is at a batch.
        """
        if event is None and len(self._events) == 1:
            event = self._events[0]
        headers = event.headers if event is not None else []
        return outgoing(headers, self._spans.get(event) if event is not None else None)
