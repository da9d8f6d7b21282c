"""Trace context on its way out: exactly one of each header, whatever came in.

Retries that pile up `traceparent` headers tear a trace apart, so outgoing headers replace, never append.
"""

from collections.abc import Mapping

from opentelemetry.context import Context
from opentelemetry.propagate import inject as otel_inject

from doublegate.contract.headers import BAGGAGE, TRACEPARENT, TRACESTATE, Headers
from doublegate.telemetry.spans import ProcessSpan, first_header
from doublegate.telemetry.traceparent import parse_traceparent

__all__ = ["TRACE_HEADERS", "inject", "outgoing"]

TRACE_HEADERS = (TRACEPARENT, TRACESTATE, BAGGAGE)


def outgoing(headers: Headers, span: ProcessSpan | Context | None = None) -> dict[str, str]:
    """The trace headers of a request or event caused by the event with `headers`.

    Args:
        headers: of the event at hand.
        span: its `process` span when it has one, or a context; the trace goes on from it (or from the span
            that the handler made current).

    Returns:
        `traceparent`, `tracestate` and `baggage`, those that there are. Without a span they are the event's
        own, so the flag stays what the producer decided; a broken `traceparent` is not passed on.
    """
    carrier = {
        name: value.decode("latin-1")
        for name in TRACE_HEADERS
        if (value := first_header(headers, name)) is not None
    }
    if parse_traceparent(first_header(headers, TRACEPARENT)) is None:
        carrier.pop(TRACEPARENT, None)
        carrier.pop(TRACESTATE, None)
    current: dict[str, str] = {}
    otel_inject(current, span.context() if isinstance(span, ProcessSpan) else span)
    if TRACEPARENT in current:
        carrier.pop(TRACESTATE, None)
    return {**carrier, **current}


def inject(headers: Headers, carrier: Mapping[str, str]) -> Headers:
    """`headers` with the trace headers of `carrier`, one of each; they replace those that were there."""
    kept = [(name, value) for name, value in headers if name not in TRACE_HEADERS]
    return kept + [(name, value.encode("latin-1")) for name, value in carrier.items()]
