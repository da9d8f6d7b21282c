"""The names that Prometheus sees are the names that are written down; the figures are the ones counted."""

import re
import threading
import time
from collections.abc import Iterator

import pytest
from prometheus_client.parser import text_string_to_metric_families

from doublegate.contract import metrics as names
from doublegate.telemetry.instruments import Counter, Gauge, Histogram
from doublegate.telemetry.metrics import Metrics

OWN = {
    value
    for name, value in vars(names).items()
    if name in names.__all__ and str(value).startswith("doublegate_")
}


@pytest.fixture
def metrics() -> Iterator[Metrics]:
    metrics = Metrics(group="billing", topic="payments")
    yield metrics
    metrics.shutdown(1)


def samples(metrics: Metrics) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    body, kind = metrics.page()
    assert kind.startswith("text/plain")
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(body.decode())
        for sample in family.samples
    }


def fill(metrics: Metrics) -> None:
    for instrument in vars(metrics).values():
        match instrument:
            case Counter():
                instrument.add(3, *("l" for _ in instrument.labels))
            case Gauge():
                instrument.set(2.5, *("l" for _ in instrument.labels))
            case Histogram():
                instrument.observe(0.02, 4)


def test_every_name_of_the_contract_comes_out_exactly(metrics: Metrics) -> None:
    fill(metrics)
    seen = {re.sub(r"_(bucket|sum|count)$", "", name) for name, _ in samples(metrics)}
    assert seen >= OWN
    assert {name for name in seen if name.startswith("doublegate_")} == OWN
    assert {"messaging_client_consumed_messages_total", "messaging_process_duration_seconds"} <= seen


def test_labels_and_values(metrics: Metrics) -> None:
    metrics.events.add(7, "duplicate", "memory")
    metrics.events.add(5, "duplicate", "memory")
    metrics.unknown_outcomes.add(1, "timeout")
    metrics.dead_letters.add(2, "poison")
    metrics.paused.set(3, "ledger")
    metrics.filter_fpr.set(0.25, "predicted")
    metrics.consumed.add(99)
    found = samples(metrics)
    assert found["doublegate_events_total", (("decision", "duplicate"), ("gate", "memory"))] == 12
    assert found["doublegate_unknown_outcomes_total", (("cause", "timeout"),)] == 1
    assert found["doublegate_dead_letters_total", (("reason", "poison"),)] == 2
    assert found["doublegate_paused", (("cause", "ledger"),)] == 3
    assert found["doublegate_filter_fpr", (("kind", "predicted"),)] == 0.25
    assert found["doublegate_late_completions_total", ()] == 0
    (consumed,) = [key for key in found if key[0] == "messaging_client_consumed_messages_total"]
    assert found[consumed] == 99
    assert dict(consumed[1])["messaging_destination_name"] == "payments"


def test_histogram_buckets_sum_and_count(metrics: Metrics) -> None:
    metrics.handler_seconds.observe(0.004, 10)
    metrics.handler_seconds.observe(99.0)
    found = samples(metrics)
    assert found["doublegate_handler_seconds_bucket", (("le", "0.0025"),)] == 0
    assert found["doublegate_handler_seconds_bucket", (("le", "0.005"),)] == 10
    assert found["doublegate_handler_seconds_bucket", (("le", "+Inf"),)] == 11
    assert found["doublegate_handler_seconds_count", ()] == 11
    assert found["doublegate_handler_seconds_sum", ()] == pytest.approx(99.04)


def test_watched_gauges_are_asked_at_every_collection(metrics: Metrics) -> None:
    readings = iter([1.0, 2.0, 3.0])
    metrics.lag.watch(lambda: next(readings))
    metrics.dlq_open.watch(lambda: None)
    metrics.paused.set(1, "dlq")
    metrics.paused.watch(lambda: {("breaker",): 4.0})
    assert samples(metrics)["doublegate_lag", ()] == 1
    found = samples(metrics)
    assert found["doublegate_lag", ()] == 2
    assert ("doublegate_dlq_open", ()) not in found
    assert found["doublegate_paused", (("cause", "breaker"),)] == 4
    assert metrics.paused.value("dlq") == 1


def test_a_source_that_fails_hides_only_its_own_gauge(metrics: Metrics) -> None:
    def fail() -> float:
        raise RuntimeError("gone")

    metrics.lag.watch(fail)
    metrics.inflight.set(6)
    found = samples(metrics)
    assert ("doublegate_lag", ()) not in found
    assert found["doublegate_inflight", ()] == 6


def test_wrong_labels_are_refused_at_once(metrics: Metrics) -> None:
    with pytest.raises(TypeError, match="decision"):
        metrics.events.add(1, "done")
    with pytest.raises(TypeError, match="cause"):
        metrics.paused.set(1)


def test_no_count_is_lost_between_threads() -> None:
    counter, histogram = Counter("c", "", "l"), Histogram("h", "")

    def work() -> None:
        for _ in range(10_000):
            counter.add(1, "x")
            histogram.observe(0.1)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert counter.value("x") == counter.total() == 40_000
    assert sum(histogram.read()[0]) == 40_000


def test_quantiles_are_bucket_bounds() -> None:
    histogram = Histogram("h", "", bounds=(0.1, 1.0))
    assert histogram.quantile(0.5) is None
    histogram.observe(0.05, 9)
    histogram.observe(5.0)
    assert histogram.quantile(0.9) == 0.1
    assert histogram.quantile(0.99) == float("inf")


def test_shutdown_does_not_wait_for_a_collector_away() -> None:
    metrics = Metrics(group="g", topic="t", endpoint="http://127.0.0.1:9")
    began = time.monotonic()
    metrics.shutdown(0.5)
    assert time.monotonic() - began < 5
