"""`make bench`: prints tables, writes `build/bench.json` and `build/bench.png`; exits with 0 either way."""

from __future__ import annotations

import argparse
import json
import time
from typing import TYPE_CHECKING

from rich.console import Console

from doublegate.local.model import Service
from tests.benchmarks import report, soak
from tests.benchmarks.cases import CASES, Lot
from tests.benchmarks.job import ROOT
from tests.benchmarks.plot import draw
from tests.benchmarks.show import show
from tests.benchmarks.suite import Suite, servers
from tests.benchmarks.targets import judge

if TYPE_CHECKING:
    from collections.abc import Sequence

OUT = ROOT / "build"
OTHERS = frozenset({"a", "d", "e"})


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    parser.add_argument(
        "--events", type=int, default=200_000, help="events of a topic (default: %(default)s)"
    )
    parser.add_argument(
        "--rounds", type=int, default=3, help="rounds of the fast cases (default: %(default)s)"
    )
    parser.add_argument(
        "--cases",
        default=",".join(CASES),
        help="some of %(default)s; latency and micro always run with f and b",
    )
    parser.add_argument("--soak", type=int, metavar="SECONDS", help="memory under a steady load instead")
    given = parser.parse_args()
    given.cases = given.cases.split(",")
    if unknown := set(given.cases) - set(CASES):
        parser.error(f"no such case: {', '.join(sorted(unknown))}; there are {', '.join(CASES)}")
    if given.events < 1000 or given.rounds < 1 or (given.soak is not None and given.soak < 30):
        parser.error("at least 1000 events, one round, 30 seconds of soak")
    return given


def lots_of(cases: Sequence[str]) -> list[Lot]:
    """The topics that the cases read."""
    return [lot for lot in Lot if lot is Lot.FRESH or any(CASES[name].lot is lot for name in cases)]


def main() -> None:
    """Run it."""
    given = arguments()
    console = Console(width=120)  # the tables need it, also where no terminal tells a width
    begun = time.monotonic()

    def say(line: str) -> None:
        console.print(f"[dim]{time.monotonic() - begun:6.1f} s[/]  {line}", highlight=False)

    OUT.mkdir(exist_ok=True)
    if given.soak:
        soak.run(console, say, given.soak, OUT / "soak.json")
        return
    with servers(tuple(Service), say) as stack:
        suite = Suite(stack, given.events, say)
        suite.publish(lots_of(given.cases))
        suite.warm_up(lots_of(given.cases))
        suite.rounds(given.cases, given.rounds)
        latency = suite.latency() if "f" in given.cases else None
    micro = suite.micro() if "b" in given.cases else None
    found = report.build(suite, latency, micro)
    show(console, found, judge(found))
    (OUT / "bench.json").write_text(json.dumps(found, indent=2) + "\n")
    draw(found, {name: case.title for name, case in CASES.items()}, OTHERS, OUT / "bench.png")
    say(f"written: {OUT / 'bench.json'}, {OUT / 'bench.png'}")


if __name__ == "__main__":
    main()
