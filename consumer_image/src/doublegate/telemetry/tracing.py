"""Traces: who is traced, and the tracer that records them.

The cost rule decides the shape. An unsampled event costs one look at a byte (`Tracing.sampled`), nothing
else. A sampled one gets a `process` span before its handler runs. Failures, dead letters, conflicts and
unknown outcomes are recorded after the fact whatever the flag says, so no failure is without its trace.
"""

from threading import Thread

from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ALWAYS_ON, ParentBased
from opentelemetry.trace import SpanKind

from doublegate.contract import metrics as names
from doublegate.contract.headers import TRACEPARENT
from doublegate.telemetry.quiet import calm
from doublegate.telemetry.spans import (
    Attributes,
    ProcessSpan,
    Source,
    consumer_attributes,
    finish,
    first_header,
    remote_parent,
)
from doublegate.telemetry.traceparent import (
    SAMPLED,
    TraceContext,
    is_sampled,
    parse_traceparent,
    trace_id_of,
)

__all__ = [
    "ProcessSpan",
    "Source",
    "TraceContext",
    "Tracing",
    "is_sampled",
    "parse_traceparent",
    "trace_id_of",
]

_QUEUE = 8192
"""Spans that wait for the collector; the oldest go first. About 2 KiB each."""
_BATCH = 512
_EVERY_MS = 1000
_TIMEOUT = 2.0
_PLAIN = 55


class Tracing:
    """Decides and records.

    Args:
        service: OpenTelemetry's `service.name`.
        group: the consumer group; empty for a producer.
        endpoint: base URL of an OTLP collector (`http://host:4318`); None records nothing.
        instance: OpenTelemetry's `service.instance.id`.
        exporter: takes the place of the OTLP exporter.

    Attributes:
        broken: `traceparent` headers seen that were not W3C trace context.
    """

    def __init__(
        self,
        *,
        service: str,
        group: str = "",
        endpoint: str | None = None,
        instance: str = "",
        exporter: SpanExporter | None = None,
    ) -> None:
        self.broken = 0
        self._group = group
        if exporter is None and endpoint is not None:
            calm()
            exporter = OTLPSpanExporter(endpoint=f"{endpoint.rstrip('/')}/v1/traces", timeout=_TIMEOUT)
        self._exporter = exporter
        resource = Resource.create({"service.name": service, "service.instance.id": instance})
        self._provider = TracerProvider(sampler=ALWAYS_ON, resource=resource, shutdown_on_exit=False)
        self._handlers = TracerProvider(
            sampler=ParentBased(ALWAYS_OFF), resource=resource, shutdown_on_exit=False
        )
        if exporter is not None:
            processor = BatchSpanProcessor(
                exporter, max_queue_size=_QUEUE, schedule_delay_millis=_EVERY_MS, max_export_batch_size=_BATCH
            )
            self._provider.add_span_processor(processor)
            self._handlers.add_span_processor(processor)
        self.tracer = self._provider.get_tracer("doublegate")

    @property
    def recording(self) -> bool:
        """Whether spans go anywhere."""
        return self._exporter is not None

    def install(self) -> None:
        """Let code that uses OpenTelemetry's global API nest under our spans.

        It is recorded only where an event is: an instrumented client in a handler starts no traces of
        its own.
        """
        trace.set_tracer_provider(self._handlers)

    def sampled(self, raw: bytes | None) -> bool:
        """Whether the event with this `traceparent` gets a span before its handler runs."""
        if raw is None:
            return False
        if len(raw) == _PLAIN:
            return raw[54:55] in SAMPLED and self._exporter is not None  # is_sampled, without the call
        context = self._parse(raw)
        return context is not None and context.sampled and self._exporter is not None

    def start_process(self, source: Source, *, attempt: int = 1) -> ProcessSpan:
        """The `process` span of an attempt that is about to begin."""
        return ProcessSpan(self._start(source, None, {names.ATTEMPT: attempt}))

    def record_process(
        self,
        source: Source,
        *,
        start_ns: int,
        end_ns: int,
        decision: str,
        gate: str,
        error: str = "",
        attributes: Attributes | None = None,
    ) -> str:
        """Record a `process` span after the fact, whatever the event's flag says.

        Args:
            source: the record.
            start_ns: when the attempt began, nanoseconds since the epoch.
            end_ns: when it ended.
            decision: the decision, as in `contract.states.Decision`.
            gate: who decided, as in `contract.states.Gate`.
            error: why, empty when nothing went wrong.
            attributes: more of them (`contract.metrics.CAUSE`, `REASON`, `ATTEMPT`).

        Returns:
            The trace id, 32 hex digits; empty when traces go nowhere and the event carries none.
        """
        if self._exporter is None:
            return trace_id_of(first_header(source.headers, TRACEPARENT))
        span = self._start(source, start_ns, {})
        finish(span, decision, gate, error, attributes)
        span.end(end_ns)
        return f"{span.get_span_context().trace_id:032x}"

    def _start(self, source: Source, start_ns: int | None, attributes: Attributes) -> trace.Span:
        raw = first_header(source.headers, TRACEPARENT)
        parent = None if raw is None else self._parse(raw)
        return self.tracer.start_span(
            f"process {source.topic}",
            remote_parent(parent, source.headers),
            SpanKind.CONSUMER,
            {**consumer_attributes(source, self._group), **attributes},
            start_time=start_ns,
        )

    def _parse(self, raw: bytes) -> TraceContext | None:
        context = parse_traceparent(raw)
        if context is None:
            self.broken += 1
        return context

    def flush(self, timeout: float = 3.0) -> bool:
        """Send what is recorded; False when that was not done within `timeout` seconds."""
        done: list[bool] = []
        sending = Thread(
            target=lambda: done.append(self._provider.force_flush()), name="traces-flush", daemon=True
        )
        sending.start()
        sending.join(timeout)
        return bool(done and done[0])

    def shutdown(self, timeout: float = 3.0) -> None:
        """Send what is recorded for at most `timeout` seconds, then stop."""
        ending = Thread(target=self._provider.shutdown, name="traces-end", daemon=True)
        ending.start()
        ending.join(timeout)
        if ending.is_alive() and self._exporter is not None:
            self._exporter.shutdown()  # ends the retries that the other thread waits for
