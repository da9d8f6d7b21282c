"""The tables on the terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rich.box import SIMPLE
from rich.table import Table

from tests.benchmarks.cases import CASES

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from rich.console import Console

    from tests.benchmarks.targets import Verdict

__all__ = ["show", "show_cases", "show_targets"]

MARKS = {True: "[green]reached[/]", False: "[red]MISSED[/]", None: "not measured"}
MIB = 1 << 20
BUSY = {"consumer": "ours", "valkey": "valkey", "kafka": "kafka"}
"""Whose busy cores stand beside the rates; the others are in the JSON."""


def show(console: Console, report: Mapping[str, Any], verdicts: Sequence[Verdict]) -> None:
    """Everything."""
    where = report["machine"]
    load = where["load_average"][0]
    console.print(
        f"\n{report['events']:,} events of {report['payload_bytes']} bytes, 6 partitions; "
        f"{where['cpus']} CPUs ({where['cpu']}) shared with the servers, load {load}"
    )
    if load > where["cpus"] * 1.5:
        console.print("[yellow]This machine is busy with other things as well: the rates are too low.[/]")
    show_cases(console, report, {name: case.title for name, case in CASES.items()})
    figures = Table("figure", "value", title="Beside the rates")
    for name, value in _figures(report):
        figures.add_row(name, value)
    console.print(figures)
    show_targets(console, verdicts)
    for name, why in report["broken"].items():
        console.print(f"[red]{name} did not run to its end:[/] {why}", markup=True)


def show_cases(console: Console, report: Mapping[str, Any], titles: Mapping[str, str]) -> None:
    """Rates and ratios; cores that were busy meanwhile."""
    table = Table(box=SIMPLE, title="Events per second (medians of the rounds)")
    table.add_column("case", no_wrap=True)
    for name in (
        "wall /s",
        "per CPU s",
        "of (a)",
        "of (d)",
        "rounds",
        *(f"cores\n{label}" for label in BUSY.values()),
    ):
        table.add_column(name, justify="right")
    for name, rates in report["cases"].items():
        busy = report["cores"][name]
        table.add_row(
            f"({name}) {titles.get(name, '')}",
            f"{rates['events_per_second']:,.0f}",
            f"{rates['events_per_cpu_second']:,.0f}",
            _times(report["ratios"].get(f"{name}_to_a")),
            _times(report["ratios"].get(f"{name}_to_d")),
            str(len(report["rounds"][name])),
            *(f"{busy[who]:.2f}" if who in busy else "" for who in BUSY),
        )
    console.print(table)


def show_targets(console: Console, verdicts: Sequence[Verdict]) -> None:
    """Target, reached."""
    table = Table("target", "wanted", "measured", "", title="Targets")
    for verdict in verdicts:
        target, value = verdict.target, verdict.value
        wanted = f"{'<=' if target.most else '>='} {target.bound:,g} {target.unit}"
        table.add_row(
            target.title,
            wanted,
            "-"
            if value is None
            else f"{value:,.4g} {target.unit}"
            if value < 1000
            else f"{value:,.0f} {target.unit}",
            MARKS[verdict.reached],
        )
    console.print(table)


def _figures(report: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    if (at := report["latency_at"]) is not None:
        yield (
            f"latency from produce to DONE at {at['rate']:,}/s",
            f"p50 {at['p50']:.1f} ms, p99 {at['p99']:.1f} ms, highest {at['max']:.0f} ms",
        )
    if report["filter_ns_per_id"] is not None:
        filter_ = report["filter"]
        yield "filter, test and add", f"{report['filter_ns_per_id']:.0f} ns per id"
        yield (
            "filter, 10 min at 15,000/s, 0.1%",
            f"{report['filter_bytes'] / MIB:.1f} MiB, predicted rate {filter_['filter_predicted_fpr']:.4%}",
        )
        for name, value in report["decision_us"].items():
            yield f"LocalGate, {name.replace('_', ' ')}", f"{value:.2f} us of CPU per event"
        size = report["exact_bytes"] / MIB
        yield (
            "exact memory, 10 min at 15,000/s",
            f"{report['exact_bytes_per_id']:.1f} B per id, {size:.0f} MiB",
        )
    for name in ("b", "f", "g"):
        if (size := report["events_per_batch"][name]) is not None:
            yield f"events per poll batch, {name}", f"{size:,.0f}"
    for name, size in report["rss_bytes"].items():
        if name in {"a", "b", "f", "g"}:
            yield f"memory of the process, {name}", f"{size / MIB:,.0f} MiB"


def _times(value: float | None) -> str:
    return "" if value is None else f"{value:.2f}x"
