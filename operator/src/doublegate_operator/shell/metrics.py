"""The operator's own figures, in Prometheus' format."""

from __future__ import annotations

import time
from collections import Counter as Counts
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.exposition import generate_latest
from prometheus_client.gc_collector import GCCollector
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.registry import Collector

from doublegate_operator.shell.kinds import CONSUMER, REPLAY
from doublegate_operator.shell.view import View

__all__ = ["Metrics"]

_BUCKETS = (0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)


class Metrics:
    """What is counted.

    Args:
        view: whose resources are counted when somebody reads.
        depth: keys in the queue now.
        calls: requests sent to the API server so far.
    """

    def __init__(self, view: View, depth: Callable[[], int], calls: Callable[[], int]) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        GCCollector(registry=self.registry)
        self._looks = Counter(
            "doublegate_operator_reconcile",
            "Looks at resources, by their end: done, changed, failed, refused, gone, error.",
            ["outcome"],
            registry=self.registry,
        )
        self._seconds = Histogram(
            "doublegate_operator_reconcile_seconds",
            "How long a look takes.",
            buckets=_BUCKETS,
            registry=self.registry,
        )
        self.leader = Gauge(
            "doublegate_operator_leader", "1 for the operator that acts.", registry=self.registry
        )
        Gauge("doublegate_operator_queue_depth", "Resources in line.", registry=self.registry).set_function(
            depth
        )
        self.registry.register(_Reader(view, calls))

    @contextmanager
    def look(self) -> Iterator[Callable[[str], None]]:
        """Time a look; what it yields takes the outcome."""
        outcome = "error"

        def ended(how: str) -> None:
            nonlocal outcome
            outcome = how

        started = time.monotonic()
        try:
            yield ended
        finally:
            self._seconds.observe(time.monotonic() - started)
            self._looks.labels(outcome).inc()

    def page(self) -> bytes:
        """What `/metrics` shows."""
        return generate_latest(self.registry)


class _Reader(Collector):
    """Figures that are read off when somebody asks, so that what is gone is not shown."""

    def __init__(self, view: View, calls: Callable[[], int]) -> None:
        self._view = view
        self._calls = calls

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """One gauge for the resources, one for the calls."""
        shown = GaugeMetricFamily(
            "doublegate_operator_resources",
            "Resources, by the status of their condition Ready.",
            labels=["kind", "ready"],
        )
        for kind in (CONSUMER, REPLAY):
            counts = Counts(_ready(raw.get("status") or {}) for raw in self._view.all(kind))
            for ready in ("True", "False", "Unknown"):
                shown.add_metric([kind.kind, ready], counts[ready])
        yield shown
        calls = GaugeMetricFamily(
            "doublegate_operator_api_calls", "Requests to the API server since the start, watches left out."
        )
        calls.add_metric([], self._calls())
        yield calls


def _ready(status: dict[str, list[dict[str, str]]]) -> str:
    conditions = status.get("conditions") or []
    found = next((c["status"] for c in conditions if c.get("type") == "Ready"), "Unknown")
    return found if found in ("True", "False") else "Unknown"
