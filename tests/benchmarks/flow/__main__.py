"""`make bench-flow`: says of each claim whether it holds, writes `build/flow.json` and `build/flow.svg`.

One topic, a fan-out to groups of one process each, one of them slow. Exits with 0 either way.
"""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory

from rich.console import Console

from doublegate.demo.processes import Children
from doublegate.local.model import Service
from tests.benchmarks.flow.judge import judge
from tests.benchmarks.flow.plan import Plan
from tests.benchmarks.flow.plot import draw
from tests.benchmarks.flow.run import measure
from tests.benchmarks.flow.show import show
from tests.benchmarks.flow.sizing import cost
from tests.benchmarks.job import ROOT
from tests.benchmarks.report import machine
from tests.benchmarks.suite import servers

OUT = ROOT / "build"


def arguments() -> Plan:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.flow", description=__doc__)
    parser.add_argument("--rate", type=float, default=150.0, help="events/s at rest (default: %(default)s)")
    parser.add_argument("--factor", type=float, default=10.0, help="of the spike (default: %(default)s)")
    parser.add_argument(
        "--seconds", type=float, default=30.0, help="of the spike, the rest scales (default: %(default)s)"
    )
    parser.add_argument("--groups", type=int, default=10, help="that read the topic (default: %(default)s)")
    given = parser.parse_args()
    if given.rate < 10 or given.factor < 4 or given.seconds < 15 or given.groups < 2:
        parser.error("at least 10 events/s, a spike of 4 times that for 15 s, and 2 groups")
    return Plan(given.rate, given.factor, given.seconds, given.groups)


def main() -> None:
    """Run it."""
    plan = arguments()
    console = Console(width=120)
    begun = time.monotonic()

    def say(line: str) -> None:
        console.print(f"[dim]{time.monotonic() - begun:6.1f} s[/]  {line}", highlight=False)

    where = machine()
    OUT.mkdir(exist_ok=True)
    with (
        TemporaryDirectory(prefix="doublegate-bench-") as folder,
        servers((Service.KAFKA, Service.VALKEY), say) as stack,
        Children(OUT / "flow-logs") as children,
    ):
        run = measure(stack, plan, children, Path(folder), say)
    found = judge(run, plan)
    show(console, run, plan, found, where)
    report = {
        "machine": where,
        "plan": asdict(plan),
        "cpu_seconds_per_event": asdict(cost(run.of("spike"))),
        "verdicts": [asdict(verdict) for verdict in found],
        "samples": [asdict(sample) for sample in run.all],
    }
    (OUT / "flow.json").write_text(json.dumps(report, indent=1) + "\n")
    draw(run, plan, OUT / "flow.svg")
    say("written: build/flow.json, build/flow.svg")


if __name__ == "__main__":
    main()
