"""From the workers' answers to figures: medians, ratios within rounds, `build/bench.json`."""

from __future__ import annotations

import os
import platform
import time
from importlib.metadata import version
from statistics import median
from typing import TYPE_CHECKING, Any

import psutil

from tests.benchmarks.cases import BARE

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tests.benchmarks.suite import Suite

__all__ = ["build", "machine", "ratio"]

AGAINST = ("a", "d")
RATES = ("events_per_second", "events_per_cpu_second")
MIB = 1 << 20


def machine() -> dict[str, Any]:
    """Where this was measured; the load says whether others were busy."""
    return {
        "cpus": os.cpu_count(),
        "cpu": _cpu_model(),
        "memory_bytes": psutil.virtual_memory().total,
        "load_average": [round(load, 2) for load in os.getloadavg()],
        "kernel": platform.release(),
        "python": platform.python_version(),
        "confluent_kafka": version("confluent-kafka"),
        "redis_py": version("redis"),
        "at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
    }


def ratio(answers: Mapping[str, Sequence[Mapping[str, Any]]], name: str, base: str = BARE) -> float | None:
    """Median over the rounds of `name` to `base` in the same round."""
    rounds = [
        one["events_per_second"] / other["events_per_second"]
        for one, other in zip(answers.get(name, ()), answers.get(base, ()), strict=False)
    ]
    return median(rounds) if rounds else None


def build(suite: Suite, latency: dict[str, Any] | None, micro: dict[str, Any] | None) -> dict[str, Any]:
    """The report."""
    answers = suite.answers
    micro = micro or {}
    report: dict[str, Any] = {
        "cases": {name: {rate: _median(rounds, rate) for rate in RATES} for name, rounds in answers.items()},
        "latency_ms": {name: (latency or {}).get(name) for name in ("p50", "p99")},
        "filter_ns_per_id": micro.get("filter_ns_per_id"),
        "round_trips_per_batch": _figure(answers, "b", "round_trips_per_batch"),
        "filter_bytes": micro.get("filter_bytes"),
        "ledger_bytes_per_id": _figure(answers, "b", "ledger_bytes_per_id"),
        "round_trips_per_batch_runtime": _figure(answers, "f", "round_trips_per_batch"),
        "events_per_batch": {name: _figure(answers, name, "events_per_batch") for name in ("b", "f", "g")},
        "decision_us": micro.get("decision_us"),
        "exact_bytes_per_id": micro.get("exact_bytes_per_id"),
        "exact_bytes": micro.get("exact_bytes"),
        "filter_mib": micro["filter_bytes"] / MIB if "filter_bytes" in micro else None,
        "rss_bytes": {name: _median(rounds, "rss_bytes") for name, rounds in answers.items()},
        "ratios": {
            f"{name}_to_{base}": found
            for base in AGAINST
            for name in answers
            if name != base and (found := ratio(answers, name, base)) is not None
        },
        "cores": {name: _cores(rounds) for name, rounds in answers.items()},
        "events": suite.total,
        "payload_bytes": suite.payload_bytes,
        "latency_at": latency,
        "filter": {name: value for name, value in micro.items() if name.startswith("filter_")},
        "broken": suite.failed,
        "machine": machine(),
        "rounds": answers,
    }
    return report


def _median(rounds: Sequence[Mapping[str, Any]], name: str) -> float:
    return float(median(one[name] for one in rounds))


def _figure(answers: Mapping[str, Sequence[Mapping[str, Any]]], case: str, name: str) -> float | None:
    rounds = answers.get(case)
    return _median(rounds, name) if rounds else None


def _cores(rounds: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    """Cores kept busy: by the consumer, and by each server."""
    busy = {"consumer": median(one["cpu_seconds"] / one["seconds"] for one in rounds)}
    for name in rounds[0]["server_cpu_seconds"]:
        busy[name] = median(one["server_cpu_seconds"][name] / one["seconds"] for one in rounds)
    return {name: round(cores, 3) for name, cores in busy.items()}


def _cpu_model() -> str:
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:  # noqa: PTH123
            return next((line.split(":")[1].strip() for line in file if line.startswith("model name")), "")
    except OSError:
        return platform.processor()
