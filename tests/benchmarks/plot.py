"""The rates as a picture, `build/bench.png`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import matplotlib as mpl
from matplotlib.figure import Figure

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

__all__ = ["draw"]

OURS, OTHERS = "#2a7f9e", "#b8b8b8"


def draw(report: Mapping[str, Any], titles: Mapping[str, str], others: frozenset[str], path: Path) -> None:
    """One bar a case, wall and CPU.

    Args:
        report: as `report.build` made it.
        titles: of the cases.
        others: cases that are not Doublegate.
        path: where to write it.
    """
    mpl.rcParams["svg.hashsalt"] = "doublegate"
    names = list(report["cases"])
    figure = Figure(figsize=(12, 1.5 + 0.5 * len(names)), layout="constrained")
    colors = [OTHERS if name in others else OURS for name in names]
    labels = [f"({name}) {titles.get(name, name)}" for name in names]
    for place, (rate, title) in enumerate(
        (("events_per_second", "events per second"), ("events_per_cpu_second", "events per CPU second"))
    ):
        axes = figure.add_subplot(1, 2, place + 1)
        values = [report["cases"][name][rate] for name in names]
        bars = axes.barh(labels if not place else names, values, color=colors)
        marks = [f"{value:,.0f}" for value in values]
        if not place:
            ratios = [report["ratios"].get(f"{name}_to_a") for name in names]
            marks = [m if r is None else f"{m}  ({r:.2f}x)" for m, r in zip(marks, ratios, strict=True)]
        axes.bar_label(bars, marks, padding=3, fontsize=8)
        axes.set_title(title, fontsize=10)
        axes.invert_yaxis()
        axes.margins(x=0.25)
        axes.xaxis.set_major_formatter("{x:,.0f}")
        axes.tick_params(labelsize=8)
        axes.spines[["top", "right"]].set_visible(False)
    where = report["machine"]
    figure.suptitle(
        f"{report['events']:,} events, {where['cpus']} CPUs shared with broker and store, {where['at']}",
        fontsize=10,
    )
    figure.savefig(path, dpi=120)
