"""The figures in the status: of the pods, and those that follow from the resource."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from doublegate.contract.consumer_spec import ConsumerSpec
from doublegate.contract.consumer_status import FilterFigures, LedgerFigures
from doublegate.contract.sizing import ledger_size
from doublegate_operator.core.facts import PodFacts
from doublegate_operator.core.sizing import pod_memory

__all__ = ["filter_figures", "ledger_figures", "unknown_outcomes"]


def filter_figures(spec: ConsumerSpec, partitions: int, pods: tuple[PodFacts, ...]) -> FilterFigures:
    """Gate 1, the fullest pod's; what nobody says is absent."""
    shown = [figures for status in _answers(pods) if isinstance(figures := status.get("filter"), Mapping)]

    def most(name: str) -> float | None:
        return max((float(figures[name]) for figures in shown if name in figures), default=None)

    return FilterFigures(
        bytes_per_pod=pod_memory(spec, partitions).gate,
        predicted_false_positive_rate=most("predictedFalsePositiveRate"),
        observed_false_positive_rate=most("observedFalsePositiveRate"),
        fill=most("fill"),
        warm=sum(int(figures.get("warm", 0)) for figures in shown) if shown else None,
    )


def ledger_figures(spec: ConsumerSpec) -> LedgerFigures:
    """Gate 2 in a steady state."""
    size = ledger_size(spec.filter.expected_rate, spec.ledger.ttl)
    return LedgerFigures(entries=size.entries, bytes=size.bytes)


def unknown_outcomes(pods: tuple[PodFacts, ...]) -> int | None:
    """Of the pods that answer; None when none does."""
    counts = [sum(status.get("unknownOutcomes", {}).values()) for status in _answers(pods)]
    return sum(counts) if counts else None


def _answers(pods: tuple[PodFacts, ...]) -> Iterator[Mapping[str, Any]]:
    return (pod.status for pod in pods if pod.status is not None)
