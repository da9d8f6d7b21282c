"""The trace context of an event on its way to Kafka: who samples, and the `send` span of the sampled.

Parent-based: an event sent under a span, or with a `traceparent` of its own, follows that; a new trace is
sampled by ratio, and one that is not costs a random number.
"""

from random import random
from typing import Any

from opentelemetry import trace
from opentelemetry.trace import Span, SpanContext, SpanKind, Status, StatusCode

from doublegate.contract.headers import TRACEPARENT, Headers
from doublegate.telemetry.propagation import TRACE_HEADERS, inject, outgoing
from doublegate.telemetry.spans import context_of, remote_parent
from doublegate.telemetry.traceparent import TraceContext, new_traceparent
from doublegate.telemetry.tracing import Tracing

__all__ = ["SendTraces", "end_send"]


class SendTraces:
    """Stamps headers with a trace context.

    Args:
        tracing: records the spans of sampled events; None sets the flag and records nothing here.
        ratio: share of new traces that are sampled.
    """

    def __init__(self, tracing: Tracing | None, ratio: float) -> None:
        self._tracer = tracing.tracer if tracing is not None and tracing.recording else None
        self._ratio = ratio

    def stamp(self, topic: str, event_id: str, headers: Headers) -> tuple[Headers, Span | None]:
        """`headers` with exactly one trace context, and the span to end on delivery if there is one."""
        current = trace.get_current_span().get_span_context()
        if not current.is_valid and (not headers or not _traced(headers)):
            return self._new_trace(topic, event_id, headers)
        parent = _context(current) if current.is_valid else context_of(headers)
        if parent is None:  # a broken header is not passed on
            return self._new_trace(topic, event_id, inject(headers, {}))
        if parent.sampled and self._tracer is not None:
            context = None if current.is_valid else remote_parent(parent, headers)
            return self._record(topic, event_id, headers, context)
        return inject(headers, outgoing(headers)), None

    def _new_trace(self, topic: str, event_id: str, headers: Headers) -> tuple[Headers, Span | None]:
        sampled = random() < self._ratio  # noqa: S311 - a share, not a secret
        if sampled and self._tracer is not None:
            return self._record(topic, event_id, headers, None)
        return [*headers, (TRACEPARENT, new_traceparent(sampled=sampled))], None

    def _record(self, topic: str, event_id: str, headers: Headers, context: Any) -> tuple[Headers, Span]:
        assert self._tracer is not None  # noqa: S101 - the callers looked
        span = self._tracer.start_span(
            f"send {topic}",
            context,
            SpanKind.PRODUCER,
            {
                "messaging.system": "kafka",
                "messaging.operation.name": "send",
                "messaging.operation.type": "send",
                "messaging.destination.name": topic,
                "messaging.message.id": event_id,
            },
        )
        return inject(headers, outgoing(headers, trace.set_span_in_context(span, context))), span


def end_send(span: Span, partition: int | None, offset: int | None, error: str = "") -> None:
    """End a `send` span with where the event is, or why it is not."""
    if partition is not None and partition >= 0:
        span.set_attribute("messaging.destination.partition.id", str(partition))
    if offset is not None and offset >= 0:
        span.set_attribute("messaging.kafka.offset", offset)
    if error:
        span.set_status(Status(StatusCode.ERROR, error))
    span.end()


def _traced(headers: Headers) -> bool:
    return any(name in TRACE_HEADERS for name, _ in headers)


def _context(current: SpanContext) -> TraceContext:
    return TraceContext(current.trace_id, current.span_id, current.trace_flags.sampled)
