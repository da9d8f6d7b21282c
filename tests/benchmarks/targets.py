"""What the issue wants, and what was reached: one row a target, marked as it is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["TARGETS", "Target", "Verdict", "judge"]


@dataclass(frozen=True, slots=True)
class Target:
    """One target.

    Attributes:
        title: in words.
        figure: where in the report: names joined by dots.
        bound: the figure wanted.
        most: it is an upper bound.
        unit: of the figure.
    """

    title: str
    figure: str
    bound: float
    most: bool = False
    unit: str = ""


TARGETS = (
    Target("(b) double gate, all new, of (a)", "ratios.b_to_a", 0.65, unit="x"),
    Target("(b) double gate, all new, of (d)", "ratios.b_to_d", 8.0, unit="x"),
    Target("(b2) PerPartition, all new, of (a)", "ratios.b2_to_a", 0.8, unit="x"),
    Target("(c) 90% duplicates, of (a)", "ratios.c_to_a", 0.85, unit="x"),
    Target("(f) full runtime, of (a)", "ratios.f_to_a", 0.35, unit="x"),
    Target("(f) full runtime", "cases.f.events_per_second", 15_000, unit="/s"),
    Target("(g) inbox in PostgreSQL", "cases.g.events_per_second", 15_000, unit="/s"),
    Target("ledger round trips per poll batch, gate", "round_trips_per_batch", 3, most=True),
    Target("ledger round trips per poll batch, runtime", "round_trips_per_batch_runtime", 3, most=True),
    Target("Valkey memory per DONE id", "ledger_bytes_per_id", 110, most=True, unit="B"),
    Target("filter, 10 min at 15,000/s and 0.1%", "filter_mib", 32, most=True, unit="MiB"),
    Target("decision without network: new by filter", "decision_us.new", 1.5, most=True, unit="us"),
    Target("decision without network: in flight", "decision_us.in_flight", 1.5, most=True, unit="us"),
    Target("decision without network: exact memory", "decision_us.remembered", 1.5, most=True, unit="us"),
    Target("exact memory per id", "exact_bytes_per_id", 24, most=True, unit="B"),
)


@dataclass(frozen=True, slots=True)
class Verdict:
    """A target and the figure; `reached` is None where nothing was measured."""

    target: Target
    value: float | None

    @property
    def reached(self) -> bool | None:
        """Whether the figure keeps the bound."""
        if self.value is None:
            return None
        return self.value <= self.target.bound if self.target.most else self.value >= self.target.bound


def judge(report: Mapping[str, Any]) -> list[Verdict]:
    """Every target against a report."""
    return [Verdict(target, _find(report, target.figure)) for target in TARGETS]


def _find(report: Mapping[str, Any], path: str) -> float | None:
    found: Any = report
    for name in path.split("."):
        found = found.get(name) if isinstance(found, dict) else None
    return found if isinstance(found, int | float) else None
