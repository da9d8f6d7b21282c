"""Between our instruments and OpenTelemetry's metrics SDK: what a collection reads, and where it goes."""

import logging
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.prometheus import PrometheusMetricReader
from opentelemetry.metrics import CallbackOptions, Meter, Observation
from opentelemetry.sdk.metrics.export import (
    AggregationTemporality,
    HistogramDataPoint,
    Metric,
    MetricExportResult,
    MetricsData,
)
from opentelemetry.sdk.metrics.export import Histogram as HistogramData
from prometheus_client import CollectorRegistry
from requests import Response, Session

from doublegate.telemetry.instruments import Counter, Gauge, Histogram, Labels

__all__ = ["Bridge", "PushExporter", "ScrapeReader"]

log = logging.getLogger(__name__)

_NOT_SERVED = (404, 405, 501)


class Bridge:
    """Hands out counters and gauges through callbacks and adds the histograms to what was collected.

    Args:
        histograms: each histogram with the name and attributes it goes out under.
    """

    def __init__(self, histograms: Sequence[tuple[Histogram, str, Mapping[str, str]]]) -> None:
        self._histograms = histograms
        self._started = time.time_ns()

    def counter(self, meter: Meter, counter: Counter, attributes: Mapping[str, str]) -> None:
        """Let `meter` read `counter`."""
        meter.create_observable_counter(
            counter.name, [_reading(counter, attributes)], counter.unit, counter.description
        )

    def gauge(self, meter: Meter, gauge: Gauge) -> None:
        """Let `meter` read `gauge`."""
        meter.create_observable_gauge(gauge.name, [_reading(gauge, {})], gauge.unit, gauge.description)

    def complete(self, data: MetricsData) -> MetricsData:
        """`data` with the histograms added to its first scope."""
        if not data.resource_metrics or not data.resource_metrics[0].scope_metrics:
            return data
        first, *others = data.resource_metrics
        scope, *scopes = first.scope_metrics
        scope = replace(scope, metrics=[*scope.metrics, *self._metrics(time.time_ns())])
        return MetricsData([replace(first, scope_metrics=[scope, *scopes]), *others])

    def _metrics(self, now: int) -> Iterable[Metric]:
        for histogram, name, attributes in self._histograms:
            counts, total = histogram.read()
            point = HistogramDataPoint(
                attributes=attributes,
                start_time_unix_nano=self._started,
                time_unix_nano=now,
                count=sum(counts),
                sum=total,
                bucket_counts=counts,
                explicit_bounds=histogram.bounds,
                min=0.0,
                max=0.0,
            )
            data = HistogramData([point], AggregationTemporality.CUMULATIVE)
            yield Metric(name, histogram.description, histogram.unit, data)


def _reading(
    instrument: Counter | Gauge, attributes: Mapping[str, str]
) -> Callable[[CallbackOptions], list[Observation]]:
    def read(_: CallbackOptions) -> list[Observation]:
        values: Iterable[tuple[Labels, float]] = instrument.items()
        return [
            Observation(value, {**attributes, **dict(zip(instrument.labels, labels, strict=True))})
            for labels, value in values
        ]

    return read


class ScrapeReader(PrometheusMetricReader):
    """Prometheus' reader with the histograms added."""

    def __init__(self, bridge: Bridge, registry: CollectorRegistry) -> None:
        super().__init__(disable_target_info=True, scope_info_enabled=False, registry=registry)
        self._bridge = bridge

    def _receive_metrics(
        self, metrics_data: MetricsData, timeout_millis: float = 10_000, **kwargs: Any
    ) -> None:
        super()._receive_metrics(self._bridge.complete(metrics_data), timeout_millis, **kwargs)


class PushExporter(OTLPMetricExporter):
    """OTLP's exporter with the histograms added; it stops when the collector takes no metrics.

    Jaeger speaks OTLP for traces only, and `telemetry.otlpEndpoint` is often a Jaeger.
    """

    def __init__(self, bridge: Bridge, url: str, *, timeout: float) -> None:
        session = Session()
        session.hooks["response"].append(self._look)
        super().__init__(endpoint=url, timeout=timeout, session=session)
        self._bridge = bridge
        self._url = url
        self.refused = False

    def _look(self, response: Response, *_: Any, **__: Any) -> None:
        if response.status_code in _NOT_SERVED:
            self.refused = True
            response.status_code = 200  # or the exporter calls it an error of its own
            log.info("%s takes no metrics: they are served on /metrics only", self._url)

    def export(
        self, metrics_data: MetricsData, timeout_millis: float | None = 10_000, **kwargs: Any
    ) -> MetricExportResult:
        """Send one collection."""
        if self.refused:
            return MetricExportResult.SUCCESS
        return super().export(self._bridge.complete(metrics_data), timeout_millis, **kwargs)
