"""Everything the runtime counts, in one typed holder, for Prometheus to scrape and for OTLP to push.

The instruments (`telemetry.instruments`) hold plain numbers; here OpenTelemetry's SDK reads them when
somebody collects. Histograms join its data on the way out, because the SDK has no histogram that can be read
instead of written.
"""

from threading import Thread

from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import MetricReader, PeriodicExportingMetricReader
from opentelemetry.sdk.resources import Resource
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest

from doublegate.contract import metrics as names
from doublegate.telemetry.instruments import Counter, Gauge, Histogram
from doublegate.telemetry.metrics_bridge import Bridge, PushExporter, ScrapeReader
from doublegate.telemetry.quiet import calm

__all__ = ["Metrics"]

_PUSH_EVERY_MS = 15_000.0
_PUSH_TIMEOUT = 2.0


class Metrics:
    """The instruments, named as in `contract.metrics`; every method of theirs may be called from any thread.

    Args:
        group: the consumer group.
        topic: the source topic.
        service: OpenTelemetry's `service.name`.
        endpoint: base URL of an OTLP collector (`http://host:4318`); None pushes nothing.
        instance: OpenTelemetry's `service.instance.id`.
    """

    def __init__(
        self,
        *,
        group: str,
        topic: str,
        service: str = "doublegate",
        endpoint: str | None = None,
        instance: str = "",
    ) -> None:
        self.events = Counter(names.EVENTS, "Events decided.", "decision", "gate")
        self.unknown_outcomes = Counter(
            names.UNKNOWN_OUTCOMES, "Attempts whose effect may or may not have happened.", "cause"
        )
        self.late_completions = Counter(
            names.LATE_COMPLETIONS, "DONE reports that came after the claim was lost."
        )
        self.ledger_suspect = Counter(names.LEDGER_SUSPECT, "Ids in doubt after the ledger lost data.")
        self.dead_letters = Counter(names.DEAD_LETTERS, "Dead letters acknowledged.", "reason")
        self.broken_traceparents = Counter(names.TRACEPARENTS_BROKEN, "Trace headers that are not W3C's.")
        self.consumed = Counter(names.CONSUMED_MESSAGES, "Records polled.", unit="{message}")

        self.filter_fill = Gauge(names.FILTER_FILL, "Share of the filter's capacity in use.")
        self.filter_fpr = Gauge(names.FILTER_FPR, "The filter's false-positive rate.", "kind")
        self.filter_warm = Gauge(names.FILTER_WARM, "Share of the partitions whose filter is warm.")
        self.inflight = Gauge(names.INFLIGHT, "Events dispatched and not yet acknowledged as DONE.")
        self.reservoir_bytes = Gauge(names.RESERVOIR_BYTES, "Bytes that wait for a worker.", unit="By")
        self.dlq_open = Gauge(names.DLQ_OPEN, "Dead letters that no replay has finished.")
        self.dlq_oldest_seconds = Gauge(
            names.DLQ_OLDEST_SECONDS, "Age of the oldest open dead letter.", unit="s"
        )
        self.lag = Gauge(names.LAG, "Records behind the log's end.")
        self.drain_seconds = Gauge(names.DRAIN_SECONDS, "Lag over the capacity.", unit="s")
        self.paused = Gauge(names.PAUSED, "1 while nothing new starts for this cause.", "cause")
        self.capacity = Gauge(names.CAPACITY, "What this process can do.", unit="{event}/s")

        self.handler_seconds = Histogram(names.HANDLER_SECONDS, "One attempt of the handler.")
        self.ledger_seconds = Histogram(names.LEDGER_SECONDS, "One exchange with the ledger.")

        common = {
            "messaging.system": "kafka",
            "messaging.destination.name": topic,
            "messaging.consumer.group.name": group,
            "messaging.operation.name": "process",
        }
        bridge = Bridge(
            [
                (self.handler_seconds, names.HANDLER_SECONDS, {}),
                (self.handler_seconds, names.PROCESS_DURATION, common),
                (self.ledger_seconds, names.LEDGER_SECONDS, {}),
            ]
        )
        self._registry = CollectorRegistry()
        scrape = ScrapeReader(bridge, self._registry)
        readers: list[MetricReader] = [scrape]
        if endpoint is not None:
            calm()
            push = PushExporter(bridge, f"{endpoint.rstrip('/')}/v1/metrics", timeout=_PUSH_TIMEOUT)
            readers.append(PeriodicExportingMetricReader(push, export_interval_millis=_PUSH_EVERY_MS))
        resource = Resource.create({"service.name": service, "service.instance.id": instance})
        self._provider = MeterProvider(readers, resource, shutdown_on_exit=False)
        meter = self._provider.get_meter("doublegate")
        for instrument in vars(self).values():
            if isinstance(instrument, Counter):
                attributes = (
                    {**common, "messaging.operation.name": "poll"} if instrument is self.consumed else {}
                )
                bridge.counter(meter, instrument, attributes)
            elif isinstance(instrument, Gauge):
                bridge.gauge(meter, instrument)

    def page(self) -> tuple[bytes, str]:
        """Body and content type of `/metrics`."""
        return generate_latest(self._registry), CONTENT_TYPE_LATEST

    def shutdown(self, timeout: float = 3.0) -> None:
        """Push what is left, for at most `timeout` seconds."""
        ending = Thread(
            target=self._provider.shutdown,
            kwargs={"timeout_millis": timeout * 1000},
            name="metrics-end",
            daemon=True,
        )
        ending.start()
        ending.join(timeout)
