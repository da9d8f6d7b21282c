"""One event's `process` span: what it says, and how it nests with the handler's own."""

from collections.abc import Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Final, NamedTuple, Self

from opentelemetry import context as otel_context
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import (
    NonRecordingSpan,
    Span,
    SpanContext,
    Status,
    StatusCode,
    TraceFlags,
    TraceState,
)

from doublegate.contract import metrics as names
from doublegate.contract.headers import TRACEPARENT, TRACESTATE, Headers
from doublegate.telemetry.traceparent import TraceContext, parse_traceparent

if TYPE_CHECKING:
    from contextvars import Token

__all__ = [
    "Attributes",
    "ProcessSpan",
    "Source",
    "consumer_attributes",
    "context_of",
    "first_header",
    "remote_parent",
]

Attributes = Mapping[str, str | int | bool | float]

_ERROR_LIMIT: Final = 1024


class Source(NamedTuple):
    """The record that a span is about.

    Attributes:
        topic: of the record at hand.
        partition: of the record at hand.
        offset: of the record at hand.
        event_id: the event id, empty where it has no usable one.
        headers: the record's headers.
    """

    topic: str
    partition: int
    offset: int
    event_id: str
    headers: Headers


class ProcessSpan:
    """A running `process` span.

    `with span:` makes it the current span of this thread or task, so that the handler's spans become its
    children; it may be entered more than once. It lasts until `end`.
    """

    __slots__ = ("_ended", "_span", "_tokens", "trace_id")

    def __init__(self, span: Span) -> None:
        self._span = span
        self._tokens: list[Token[Context]] = []
        self._ended = False
        self.trace_id = f"{span.get_span_context().trace_id:032x}"

    def __enter__(self) -> Self:
        self._tokens.append(otel_context.attach(self.context()))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace_back: TracebackType | None
    ) -> None:
        otel_context.detach(self._tokens.pop())
        if error is not None:
            self._span.record_exception(error)

    def context(self) -> Context:
        """The context in which this span is the current one."""
        return trace.set_span_in_context(self._span)

    def end(self, decision: str, gate: str, error: str = "", attributes: Attributes | None = None) -> None:
        """Say what was decided and by whom, and end; a second call does nothing."""
        if not self._ended:
            self._ended = True
            finish(self._span, decision, gate, error, attributes)
            self._span.end()


def finish(span: Span, decision: str, gate: str, error: str, attributes: Attributes | None) -> None:
    """Put the outcome on `span`."""
    span.set_attributes({names.DECISION: decision, names.GATE: gate, **(attributes or {})})
    if error:
        span.set_status(Status(StatusCode.ERROR, error[:_ERROR_LIMIT]))


def consumer_attributes(source: Source, group: str) -> dict[str, str | int | bool | float]:
    """The messaging conventions' attributes of a `process` span."""
    attributes: dict[str, str | int | bool | float] = {
        "messaging.system": "kafka",
        "messaging.operation.name": "process",
        "messaging.operation.type": "process",
        "messaging.destination.name": source.topic,
        "messaging.destination.partition.id": str(source.partition),
        "messaging.kafka.offset": source.offset,
        "messaging.consumer.group.name": group,
    }
    if source.event_id:
        attributes["messaging.message.id"] = source.event_id
    return attributes


def first_header(headers: Headers, name: str) -> bytes | None:
    """The first value of header `name`."""
    return next((value for key, value in headers if key == name), None)


def context_of(headers: Headers) -> TraceContext | None:
    """The trace context that the record's headers carry."""
    return parse_traceparent(first_header(headers, TRACEPARENT))


def remote_parent(parent: TraceContext | None, headers: Headers) -> Context:
    """The context whose current span is the producer's; a context without a span when there is none."""
    if parent is None:
        return Context()
    raw = first_header(headers, TRACESTATE)
    state = TraceState.from_header([raw.decode("ascii", "ignore")]) if raw else None
    flags = TraceFlags(TraceFlags.SAMPLED if parent.sampled else TraceFlags.DEFAULT)
    remote = SpanContext(
        parent.trace_id, parent.span_id, is_remote=True, trace_flags=flags, trace_state=state
    )
    return trace.set_span_in_context(NonRecordingSpan(remote), Context())
