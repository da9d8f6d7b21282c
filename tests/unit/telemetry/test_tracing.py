"""Who is traced, what the spans say, and that a collector away costs nothing but its spans."""

import logging
import time

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode

from doublegate.contract.headers import TRACEPARENT, TRACESTATE
from doublegate.telemetry.tracing import Source, Tracing

TRACE = "0af7651916cd43dd8448eb211c80319c"
SPAN = "b7ad6b7169203331"
SAMPLED = f"00-{TRACE}-{SPAN}-01".encode()
UNSAMPLED = SAMPLED[:-1] + b"0"
AWAY = "http://127.0.0.1:9"


def source(traceparent: bytes | None = SAMPLED) -> Source:
    headers = [] if traceparent is None else [(TRACEPARENT, traceparent), (TRACESTATE, b"vendor=x")]
    return Source("payments", 3, 42, "order-1", headers)


@pytest.fixture
def exporter() -> InMemorySpanExporter:
    return InMemorySpanExporter()


@pytest.fixture
def tracing(exporter: InMemorySpanExporter) -> Tracing:
    return Tracing(service="shop", group="billing", exporter=exporter)


def spans(tracing: Tracing, exporter: InMemorySpanExporter) -> list[ReadableSpan]:
    assert tracing.flush(5)
    return list(exporter.get_finished_spans())


def test_only_the_flag_decides(tracing: Tracing) -> None:
    assert tracing.sampled(SAMPLED)
    assert not tracing.sampled(UNSAMPLED)
    assert not tracing.sampled(None)
    assert tracing.broken == 0


def test_broken_headers_are_counted_and_not_sampled(tracing: Tracing) -> None:
    assert not tracing.sampled(b"00-nonsense-01")
    assert tracing.broken == 1


def test_nothing_is_sampled_where_nothing_is_collected() -> None:
    tracing = Tracing(service="shop", group="billing")
    assert not tracing.sampled(SAMPLED)
    assert tracing.record_process(source(), start_ns=1, end_ns=2, decision="done", gate="handler") == TRACE


def test_process_span_continues_the_producers(tracing: Tracing, exporter: InMemorySpanExporter) -> None:
    span = tracing.start_process(source(), attempt=2)
    span.end("done", "handler")
    span.end("dead_letter", "handler", "too late")
    (ended,) = spans(tracing, exporter)
    assert ended.name == "process payments"
    assert ended.kind is SpanKind.CONSUMER
    assert ended.parent is not None
    assert ended.context is not None
    assert f"{ended.parent.span_id:016x}" == SPAN
    assert f"{ended.context.trace_id:032x}" == TRACE == span.trace_id
    assert ended.context.trace_state.get("vendor") == "x"
    assert dict(ended.attributes or {}) == {
        "messaging.system": "kafka",
        "messaging.operation.name": "process",
        "messaging.operation.type": "process",
        "messaging.destination.name": "payments",
        "messaging.destination.partition.id": "3",
        "messaging.kafka.offset": 42,
        "messaging.consumer.group.name": "billing",
        "messaging.message.id": "order-1",
        "doublegate.attempt": 2,
        "doublegate.decision": "done",
        "doublegate.gate": "handler",
    }
    assert ended.status.status_code is StatusCode.UNSET


def test_handler_spans_nest_and_the_context_ends_with_the_block(
    tracing: Tracing, exporter: InMemorySpanExporter
) -> None:
    span = tracing.start_process(source())
    for _ in range(2):
        with span, tracing.tracer.start_as_current_span("charge"):
            pass
    assert not trace.get_current_span().get_span_context().is_valid
    span.end("done", "handler")
    *inner, outer = spans(tracing, exporter)
    assert outer.context is not None
    assert [child.parent and child.parent.span_id for child in inner] == [outer.context.span_id] * 2


def test_an_exception_of_the_handler_is_on_the_span(tracing: Tracing, exporter: InMemorySpanExporter) -> None:
    span = tracing.start_process(source())
    with pytest.raises(RuntimeError), span:
        raise RuntimeError("card declined")
    span.end("dead_letter", "handler", "card declined")
    (ended,) = spans(tracing, exporter)
    assert [event.name for event in ended.events] == ["exception"]
    assert ended.status.status_code is StatusCode.ERROR
    assert ended.status.description == "card declined"


@pytest.mark.parametrize("traceparent", [UNSAMPLED, SAMPLED])
def test_failures_are_traced_whatever_the_flag(
    tracing: Tracing, exporter: InMemorySpanExporter, traceparent: bytes
) -> None:
    found = tracing.record_process(
        source(traceparent),
        start_ns=1_000,
        end_ns=5_000,
        decision="dead_letter",
        gate="handler",
        error="boom",
        attributes={"doublegate.dead_letter_reason": "failed"},
    )
    (ended,) = spans(tracing, exporter)
    assert found == TRACE
    assert ended.parent is not None
    assert ended.attributes is not None
    assert f"{ended.parent.span_id:016x}" == SPAN
    assert (ended.start_time, ended.end_time) == (1_000, 5_000)
    assert ended.status.status_code is StatusCode.ERROR
    assert ended.attributes["doublegate.dead_letter_reason"] == "failed"


@pytest.mark.parametrize(("traceparent", "broken"), [(None, 0), (b"00-" + b"0" * 52, 1)])
def test_without_a_usable_header_a_failure_starts_a_trace(
    tracing: Tracing, exporter: InMemorySpanExporter, traceparent: bytes | None, broken: int
) -> None:
    with tracing.tracer.start_as_current_span("somebody else's"):
        found = tracing.record_process(
            source(traceparent), start_ns=1, end_ns=2, decision="dead_letter", gate="payload", error="no id"
        )
    ended = spans(tracing, exporter)[0]
    assert ended.parent is None
    assert ended.context is not None
    assert f"{ended.context.trace_id:032x}" == found != TRACE
    assert tracing.broken == broken


def test_a_collector_away_neither_hangs_nor_floods(caplog: pytest.LogCaptureFixture) -> None:
    tracing = Tracing(service="shop", group="billing", endpoint=AWAY)
    with caplog.at_level(logging.WARNING):
        for _ in range(2000):
            tracing.record_process(source(), start_ns=1, end_ns=2, decision="done", gate="handler")
        began = time.monotonic()
        tracing.shutdown(timeout=0.5)
        took = time.monotonic() - began
    assert took < 5  # a deadline, not a figure: unbounded it would be 30
    assert len(caplog.records) <= 4
