"""Telemetry against real collectors: one trace in Jaeger, metrics over OTLP, nothing that hangs or floods."""

from __future__ import annotations

import json
import logging
import threading
import time
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import TYPE_CHECKING, Any
from urllib.request import urlopen

import pytest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest

from doublegate.contract import metrics as names
from doublegate.telemetry.metrics import Metrics
from doublegate.telemetry.propagation import inject
from doublegate.telemetry.sending import SendTraces, end_send
from doublegate.telemetry.tracing import Source, Tracing

if TYPE_CHECKING:
    from collections.abc import Iterator

    from doublegate.local.model import Endpoints

DEADLINE = 30.0


def trace_of(jaeger_url: str, trace_id: str, n: int) -> list[dict[str, Any]]:
    """The trace's spans, once there are `n`."""
    until = time.monotonic() + DEADLINE
    spans: list[dict[str, Any]] = []
    while time.monotonic() < until:
        try:
            with urlopen(f"{jaeger_url}/api/traces/{trace_id}", timeout=5) as answer:  # noqa: S310 - loopback
                spans = [span for each in json.load(answer)["data"] for span in each["spans"]]
        except OSError:
            spans = []
        if len(spans) >= n:
            return spans
        time.sleep(0.2)
    raise AssertionError(f"Jaeger has {len(spans)} of {n} spans of {trace_id}")


def tags(span: dict[str, Any]) -> dict[str, Any]:
    return {tag["key"]: tag["value"] for tag in span["tags"]}


def test_one_trace_is_the_life_of_an_event(jaeger: Endpoints) -> None:
    sender = Tracing(service="shop", endpoint=str(jaeger.otlp_endpoint))
    consumer = Tracing(service="billing", group="billing", endpoint=str(jaeger.otlp_endpoint))
    headers, send = SendTraces(sender, 1.0).stamp("payments", "order-1", [])
    assert send is not None
    end_send(send, 0, 7)
    source = Source("payments", 0, 7, "order-1", headers)
    span = consumer.start_process(source)
    with span, consumer.tracer.start_as_current_span("charge"):
        pass
    span.end("dead_letter", "handler", "card declined")
    now = time.time_ns()
    replayed = Source(
        "billing.replay",
        0,
        0,
        "order-1",
        inject(headers, {"traceparent": dict(headers)["traceparent"].decode()}),
    )  # type: ignore[union-attr]
    consumer.record_process(replayed, start_ns=now - 1000, end_ns=now, decision="done", gate="handler")
    sender.shutdown()
    consumer.shutdown()
    spans = {each["operationName"]: each for each in trace_of(str(jaeger.jaeger_url), span.trace_id, 4)}
    assert set(spans) == {"send payments", "process payments", "charge", "process billing.replay"}
    parents = {name: (each["references"] or [{"spanID": None}])[0]["spanID"] for name, each in spans.items()}
    root = spans["send payments"]["spanID"]
    assert parents == {
        "send payments": None,
        "process payments": root,
        "charge": spans["process payments"]["spanID"],
        "process billing.replay": root,
    }
    failed = tags(spans["process payments"])
    assert failed["span.kind"] == "consumer"
    assert failed["error"] is True
    assert failed["doublegate.decision"] == "dead_letter"
    assert failed["messaging.kafka.offset"] == 7


def test_jaeger_takes_no_metrics_and_that_is_said_once(
    jaeger: Endpoints, caplog: pytest.LogCaptureFixture
) -> None:
    metrics = Metrics(group="g", topic="t", endpoint=str(jaeger.otlp_endpoint))
    with caplog.at_level(logging.INFO):
        for _ in range(3):
            metrics._provider.force_flush()
    assert [record.levelname for record in caplog.records] == ["INFO"]
    assert "takes no metrics" in caplog.text
    assert b"doublegate_late_completions_total" in metrics.page()[0]
    metrics.shutdown()


class Collector:
    """Takes OTLP metrics and remembers them."""

    def __init__(self) -> None:
        self.requests: list[ExportMetricsServiceRequest] = []
        requests = self.requests

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                requests.append(ExportMetricsServiceRequest.FromString(body))
                self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                pass

        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        self.thread = threading.Thread(
            target=self.server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True
        )
        self.thread.start()

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()
        self.thread.join(5)


@pytest.fixture
def collector() -> Iterator[Collector]:
    collector = Collector()
    yield collector
    collector.close()


def test_metrics_are_pushed_under_the_same_names(collector: Collector) -> None:
    metrics = Metrics(group="g", topic="t", endpoint=f"http://127.0.0.1:{collector.server.server_port}/")
    metrics.events.add(5, "duplicate", "memory")
    metrics.handler_seconds.observe(0.02, 3)
    metrics.lag.set(9)
    metrics.shutdown(5)
    pushed = {
        metric.name: metric
        for request in collector.requests
        for resource in request.resource_metrics
        for scope in resource.scope_metrics
        for metric in scope.metrics
    }
    (events,) = pushed[names.EVENTS].sum.data_points
    assert events.as_int == 5
    assert {each.key: each.value.string_value for each in events.attributes} == {
        "decision": "duplicate",
        "gate": "memory",
    }
    assert pushed[names.LAG].gauge.data_points[0].as_int == 9
    for name in (names.HANDLER_SECONDS, names.PROCESS_DURATION):
        (point,) = pushed[name].histogram.data_points
        assert (point.count, point.sum) == (3, pytest.approx(0.06))
        assert pushed[name].unit == "s"
