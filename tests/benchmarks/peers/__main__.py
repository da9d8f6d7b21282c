"""`make bench-peers`: (a), (b), (f) and the peers in turn; writes `build/bench-peers.json` and `.png`."""

from __future__ import annotations

import argparse
import json
import time
from typing import TYPE_CHECKING

from rich.console import Console

from doublegate.local.model import Service
from tests.benchmarks import report
from tests.benchmarks.cases import CASES, Case, Lot
from tests.benchmarks.job import ROOT, BrokenCase, Job, run_worker
from tests.benchmarks.peers.environment import HERE, python_of_peers
from tests.benchmarks.plot import draw
from tests.benchmarks.show import show_cases
from tests.benchmarks.suite import Suite, clear, servers, topic_of

if TYPE_CHECKING:
    from pathlib import Path

OURS = ("a", "b", "f")
PEERS = {
    "powertools": Case("Powertools 3.37, Redis", share=0.05),
    "faststream": Case("FastStream 0.7.8 + async SET NX", share=0.05),
    "quix": Case("Quix Streams 3.28 filter, own RocksDB", share=0.5),
}


def run_peer(name: str, suite: Suite, python: Path) -> None:
    """One run of a peer on the events of the fresh topic."""
    case, ends = PEERS[name], suite.stack.endpoints
    count = int(suite.total * case.share)
    clear(str(ends.redis_url))
    job = Job(name, str(ends.bootstrap_servers), str(ends.redis_url), topic_of(Lot.FRESH), count)
    try:
        answer = run_worker(job, case.deadline, command=(str(python), str(HERE / f"with_{name}.py")))
    except BrokenCase as error:
        suite.failed[name] = str(error)
        suite.say(f"{name} BROKEN: {error}")
        return
    suite.answers.setdefault(name, []).append(answer)
    suite.say(f"{name:10} {answer['events_per_second']:>9,.0f}/s  {case.title}")


def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.peers", description=__doc__)
    parser.add_argument("--events", type=int, default=200_000)
    parser.add_argument("--rounds", type=int, default=2)
    given = parser.parse_args()
    console, begun = Console(width=120), time.monotonic()

    def say(line: str) -> None:
        console.print(f"[dim]{time.monotonic() - begun:6.1f} s[/]  {line}", highlight=False)

    python = python_of_peers(say)
    with servers(tuple(Service), say) as stack:
        suite = Suite(stack, given.events, say)
        suite.publish([Lot.FRESH])
        suite.warm_up([Lot.FRESH])
        for _ in range(given.rounds):
            suite.rounds(OURS, 1)
            for name in (name for name in PEERS if name not in suite.failed):
                run_peer(name, suite, python)
    found = report.build(suite, None, None)
    titles = {name: case.title for name, case in (CASES | PEERS).items()}
    show_cases(console, found, titles)
    (ROOT / "build").mkdir(exist_ok=True)
    (ROOT / "build" / "bench-peers.json").write_text(json.dumps(found, indent=2) + "\n")
    draw(found, titles, frozenset({"a", *PEERS}), ROOT / "build" / "bench-peers.png")
    for name, why in suite.failed.items():
        console.print(f"{name} did not run to its end: {why}", markup=False)
    say(f"written: {ROOT / 'build' / 'bench-peers.json'}, {ROOT / 'build' / 'bench-peers.png'}")


if __name__ == "__main__":
    main()
