"""Outgoing trace headers: one of each, whatever came in."""

from collections import Counter

import pytest
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from doublegate.contract.headers import BAGGAGE, TRACEPARENT, TRACESTATE, Headers
from doublegate.telemetry.propagation import inject, outgoing
from doublegate.telemetry.sending import SendTraces, end_send
from doublegate.telemetry.spans import context_of
from doublegate.telemetry.tracing import Source, Tracing

TRACE = "0af7651916cd43dd8448eb211c80319c"
SAMPLED = f"00-{TRACE}-b7ad6b7169203331-01".encode()
UNSAMPLED = SAMPLED[:-1] + b"0"


@pytest.fixture
def exporter() -> InMemorySpanExporter:
    return InMemorySpanExporter()


@pytest.fixture
def tracing(exporter: InMemorySpanExporter) -> Tracing:
    return Tracing(service="shop", exporter=exporter)


def once(headers: Headers) -> None:
    assert max(Counter(name for name, _ in headers).values()) == 1


def test_an_unsampled_event_passes_its_own_context_on() -> None:
    headers: Headers = [(TRACEPARENT, UNSAMPLED), (TRACESTATE, b"a=b"), (BAGGAGE, b"user=1"), ("x", b"y")]
    assert outgoing(headers) == {"traceparent": UNSAMPLED.decode(), "tracestate": "a=b", "baggage": "user=1"}


def test_a_broken_context_is_not_passed_on() -> None:
    assert outgoing([(TRACEPARENT, b"junk"), (TRACESTATE, b"a=b"), (BAGGAGE, b"user=1")]) == {
        "baggage": "user=1"
    }
    assert outgoing([(TRACEPARENT, None)]) == {}


def test_a_span_takes_the_headers_place(tracing: Tracing) -> None:
    headers: Headers = [(TRACEPARENT, SAMPLED), (TRACESTATE, b"a=b"), (TRACEPARENT, SAMPLED)]
    span = tracing.start_process(Source("t", 0, 0, "id", headers))
    carrier = outgoing(headers, span)
    assert carrier["traceparent"].split("-")[1] == TRACE
    assert carrier["traceparent"] != SAMPLED.decode()
    assert carrier["tracestate"] == "a=b"
    sent = inject(headers, carrier)
    once(sent)
    assert context_of(sent) != context_of(headers)


def test_inject_replaces_and_keeps_the_others() -> None:
    headers: Headers = [
        ("a", b"1"),
        (TRACEPARENT, b"old"),
        ("a", b"2"),
        (TRACESTATE, b"old"),
        (BAGGAGE, b"old"),
    ]
    assert inject(headers, {"traceparent": "new"}) == [("a", b"1"), ("a", b"2"), ("traceparent", b"new")]


@pytest.mark.parametrize(("ratio", "sampled"), [(0.0, False), (1.0, True)])
def test_a_new_trace_is_sampled_by_ratio(ratio: float, sampled: bool) -> None:
    headers, span = SendTraces(None, ratio).stamp("t", "id", [("x", b"y")])
    context = context_of(headers)
    assert span is None
    assert context is not None
    assert context.sampled is sampled
    assert headers[0] == ("x", b"y")


def test_a_sampled_event_gets_a_send_span(tracing: Tracing, exporter: InMemorySpanExporter) -> None:
    headers, span = SendTraces(tracing, 1.0).stamp("payments", "order-1", [])
    assert span is not None
    end_send(span, 4, 17)
    assert tracing.flush(5)
    (ended,) = exporter.get_finished_spans()
    context = context_of(headers)
    assert ended.name == "send payments"
    assert ended.parent is None
    assert ended.context is not None
    assert ended.attributes is not None
    assert context is not None
    assert (context.trace_id, context.span_id) == (ended.context.trace_id, ended.context.span_id)
    assert ended.attributes["messaging.operation.type"] == "send"
    assert ended.attributes["messaging.kafka.offset"] == 17


def test_sending_follows_the_span_that_is_current(tracing: Tracing) -> None:
    traces = SendTraces(tracing, 0.0)
    with tracing.tracer.start_as_current_span("handler") as parent:
        headers, span = traces.stamp("t", "id", [(TRACEPARENT, UNSAMPLED)])
    context = context_of(headers)
    assert span is not None
    assert context is not None
    assert context.trace_id == parent.get_span_context().trace_id
    once(headers)


@pytest.mark.parametrize(("raw", "recorded"), [(SAMPLED, True), (UNSAMPLED, False)])
def test_sending_follows_a_header_that_is_given(tracing: Tracing, raw: bytes, recorded: bool) -> None:
    headers, span = SendTraces(tracing, 1.0 - recorded).stamp(
        "t", "id", [(TRACEPARENT, raw), (BAGGAGE, b"k=v")]
    )
    context = context_of(headers)
    assert (span is not None) is recorded
    assert context is not None
    assert f"{context.trace_id:032x}" == TRACE
    assert context.sampled is recorded
    assert (BAGGAGE, b"k=v") in headers
    once(headers)


def test_sending_does_not_pass_a_broken_header_on(tracing: Tracing) -> None:
    headers, _ = SendTraces(tracing, 0.0).stamp("t", "id", [(TRACEPARENT, b"junk")])
    assert context_of(headers) is not None
    once(headers)
