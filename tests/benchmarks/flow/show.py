"""What is printed: where it ran, the rates of each phase, and the claims."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rich.box import SIMPLE
from rich.table import Table

from tests.benchmarks.flow.groups import BOUND
from tests.benchmarks.flow.load import PAYLOAD_BYTES
from tests.benchmarks.flow.sizing import cost

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from rich.console import Console

    from tests.benchmarks.flow.plan import Plan
    from tests.benchmarks.flow.samples import Samples
    from tests.benchmarks.flow.sizing import Cost
    from tests.benchmarks.flow.verdicts import Verdict

__all__ = ["show"]

SCALE = 15_000
"""Events per second in that the run is carried up to."""
MARKS = {True: "[green]holds[/]", False: "[red]DOES NOT HOLD[/]"}


def show(
    console: Console, run: Samples, plan: Plan, found: Sequence[Verdict], where: Mapping[str, Any]
) -> None:
    """Everything."""
    console.print(
        f"\n{plan.rate:,.0f} events/s of {PAYLOAD_BYTES} bytes into {plan.groups} groups, a process each; "
        f"{plan.factor:g} times that for {plan.seconds:.0f} s; {where['cpus']} CPUs ({where['cpu']}) shared "
        f"with Kafka, Valkey, producer and downstream; load {where['load_average'][0]} before"
    )
    console.print(_phases(run, plan))
    table = Table("claim", "wanted", "found", "", title="In this run")
    for verdict in found:
        table.add_row(verdict.claim, verdict.wanted, verdict.figure, MARKS[verdict.holds])
    console.print(table)
    _carried_up(console, cost(run.of("spike")), plan)


def _carried_up(console: Console, spent: Cost, plan: Plan) -> None:
    servers = ", ".join(f"{name} {each * 1e6:.0f}" for name, each in spent.servers.items())
    console.print(
        f"CPU in the spike, us per event out: a quick consumer {spent.consumer * 1e6:.0f}, {servers}"
    )
    out = SCALE * plan.groups
    cores = ", ".join(f"{name} {each:.0f}" for name, each in spent.cores(out).items())
    console.print(f"In proportion, cores for {SCALE:,} events/s in and {out:,} out: {cores}")


def _phases(run: Samples, plan: Plan) -> Table:
    table = Table(box=SIMPLE, title=f"Events per second by phase; the slow group has {BOUND} calls at most")
    table.add_column("phase", no_wrap=True)
    for name in (
        "s",
        "offered",
        "written",
        "done\nslow",
        "done\nothers",
        "all\ngroups",
        "behind\nslow",
        "behind\nothers",
    ):
        table.add_column(name, justify="right")
    for phase in plan.phases:
        part = run.of(phase.name)
        quick = [part.done_rate(name) for name in part.quick]
        slow = part.done_rate(part.slow)
        row = (
            part.all[-1].at - part.all[0].at,
            part.rate(lambda one: one.offered),
            part.rate(lambda one: one.written),
            slow,
            sum(quick) / len(quick),
            sum(quick) + slow,
            max(one.behind for one in part.slow_group),
            max(one.behind for name in part.quick for one in part.group(name)),
        )
        table.add_row(f"{phase.name}: {phase.title}", *(f"{value:,.0f}" for value in row))
    return table
