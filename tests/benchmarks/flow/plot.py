"""The run as a picture, `build/flow.svg`: rates and throttle, backlog, concurrency and breaker, memory."""

from __future__ import annotations

from typing import TYPE_CHECKING

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from doublegate.contract.states import PauseCause
from tests.benchmarks.flow.groups import BOUND

if TYPE_CHECKING:
    from pathlib import Path

    from tests.benchmarks.flow.plan import Plan
    from tests.benchmarks.flow.samples import Samples

__all__ = ["draw"]

SLOW, QUICK, OFFER, WORD = "#c2571a", "#2a7f9e", "#b8b8b8", "#111111"
MIB = 1 << 20


def draw(run: Samples, plan: Plan, path: Path) -> None:
    """Write it.

    Args:
        run: the samples.
        plan: what was done.
        path: where to.
    """
    mpl.rcParams["svg.hashsalt"] = "doublegate"
    mpl.rcParams["svg.fonttype"] = "none"  # text stays text: small, and it can be searched
    mpl.rcParams["path.simplify_threshold"] = 0.5
    figure = Figure(figsize=(12, 11), layout="constrained")
    rates, backlog, limit, memory = figure.subplots(4, 1, sharex=True, height_ratios=(3, 2, 2, 1))
    _rates(rates, run)
    _backlog(backlog, run)
    _limit(limit, run)
    _memory(memory, run)
    for axes in (rates, backlog, limit, memory):
        _phases(axes, run, plan, named=axes is rates)
        axes.legend(loc="upper right", fontsize=8, frameon=False)
        axes.spines[["top", "right"]].set_visible(False)
        axes.tick_params(labelsize=8)
    memory.set_xlabel("seconds", fontsize=9)
    figure.savefig(path, metadata={"Date": None})


def _rates(axes: Axes, run: Samples) -> None:
    quick = run.quick[0]
    axes.plot(*_curve(run.rates(lambda one: one.offered)), color=OFFER, label="offered")
    axes.plot(*_curve(run.rates(lambda one: one.written)), color=QUICK, label="written")
    done = run.rates(lambda one: one.groups[run.slow].done)
    axes.plot(*_curve(done), color=SLOW, label="done by the slow group")
    one_quick = run.rates(lambda one: one.groups[quick].done)
    axes.plot(*_curve(one_quick), color=QUICK, linestyle=":", label=f"done by {quick}")
    told = [float("nan") if one.suggested is None else one.suggested for one in run.all]
    axes.plot([one.at for one in run.all], told, color=WORD, linewidth=1, label="suggested to producers")
    axes.set_ylabel("events per second", fontsize=9)


def _backlog(axes: Axes, run: Samples) -> None:
    at = [one.at for one in run.all]
    axes.plot(at, [one.behind for one in run.slow_group], color=SLOW, label="slow group behind")
    most = [max(one.groups[name].behind for name in run.quick) for one in run.all]
    axes.plot(at, most, color=QUICK, label="the others, the most")
    axes.plot(at, [one.held for one in run.slow_group], color=WORD, linewidth=1, label="held in the slow one")
    axes.set_ylabel("events", fontsize=9)


def _limit(axes: Axes, run: Samples) -> None:
    at = [one.at for one in run.all]
    axes.plot(at, [one.peak for one in run.all], color=OFFER, label="calls at once, the most")
    axes.plot(at, [one.concurrency for one in run.slow_group], color=SLOW, label="concurrency limit")
    opened = [PauseCause.BREAKER in one.paused for one in run.slow_group]
    axes.fill_between(at, 0, BOUND, where=opened, color=SLOW, alpha=0.15, step="post", label="breaker open")
    axes.axhline(BOUND, color=WORD, linewidth=0.8, linestyle="--", label="flow.concurrency.max")
    axes.set_ylabel("slow group's calls", fontsize=9)


def _memory(axes: Axes, run: Samples) -> None:
    at = [one.at for one in run.all]
    axes.plot(at, [one.memory / MIB for one in run.slow_group], color=SLOW, label="slow group")
    most = [max(one.groups[name].memory for name in run.quick) / MIB for one in run.all]
    axes.plot(at, most, color=QUICK, label="the others, the most")
    axes.set_ylim(bottom=0)
    axes.set_ylabel("MiB", fontsize=9)


def _phases(axes: Axes, run: Samples, plan: Plan, *, named: bool) -> None:
    for phase in plan.phases:
        begin = run.of(phase.name).all[0].at
        axes.axvline(begin, color=OFFER, linewidth=0.8)
        if named:
            place = axes.get_xaxis_transform()
            axes.text(begin, 1.01, phase.name, fontsize=8, rotation=30, transform=place)


def _curve(points: list[tuple[float, float]]) -> tuple[list[float], list[float]]:
    return [at for at, _ in points], [value for _, value in points]
