"""`python -m tests.faults`: random schedules from a seed, a report, an exit code.

Results accumulate in `build/faults.json`; `--fresh` begins anew. `--only SEED` runs one schedule again.
"""

from __future__ import annotations

import argparse
import logging
import random
import shutil
import sys
import tempfile
import time
import traceback
from pathlib import Path

from tests.faults.checker import check
from tests.faults.plan import draw
from tests.faults.report import Outcome, Summary, write
from tests.faults.run import perform
from tests.faults.world import World

WIDE_SHARE = 5
"""Every fifth schedule runs on three brokers and a Valkey Cluster."""

_HERE = Path(__file__).parent


def main() -> int:
    """Run them; 1 when a promise was broken, or a schedule could not be run."""
    options = _options()
    logging.basicConfig(level=logging.CRITICAL)
    seed = options.seed if options.seed is not None else random.randrange(1 << 31)
    seeds = options.only or [seed + number for number in range(options.schedules)]
    print(f"seeds {seeds[0]} to {seeds[-1]}; `--only SEED` runs one of them again", flush=True)
    summary = Summary() if options.fresh else Summary.load(options.out / "faults.json")
    outcomes: list[Outcome] = []
    broken: list[int] = []
    for wide in (False, True):
        mine = [s for s in seeds if (s % WIDE_SHARE == 0) is wide]
        if mine:
            _block(mine, options, summary, outcomes, broken, wide=wide)
    found = summary.as_json()
    print(f"{found['passed']} of {found['schedules']} schedules passed; {options.out / 'faults.md'}")
    for seed_failed in broken:
        print(f"seed {seed_failed} did not pass: python -m tests.faults --only {seed_failed}")
    return 1 if broken else 0


def _block(
    seeds: list[int],
    options: argparse.Namespace,
    summary: Summary,
    outcomes: list[Outcome],
    broken: list[int],
    *,
    wide: bool,
) -> None:
    """The schedules of one kind of world."""
    home = Path(tempfile.mkdtemp(prefix="doublegate-faults-"))
    try:
        with World(home, wide=wide, traces=options.traces, say=lambda line: print(f"  {line}")) as world:
            for seed in seeds:
                ok = _one(seed, world, home, options, summary, outcomes)
                if not ok:
                    broken.append(seed)
    finally:
        if broken:
            print(f"the logs are in {home}")
        else:
            shutil.rmtree(home, ignore_errors=True)


def _one(
    seed: int,
    world: World,
    home: Path,
    options: argparse.Namespace,
    summary: Summary,
    outcomes: list[Outcome],
) -> bool:
    schedule = draw(seed, wide=world.wide, traces=options.traces)
    print(schedule.about(), flush=True)
    folder = home / f"seed-{seed}"
    folder.mkdir()
    began = time.monotonic()
    try:
        outcome = Outcome(history := perform(world, schedule, folder), check(history))
    except Exception as error:  # noqa: BLE001 - the next schedule may still be run
        ours = [at for at in traceback.extract_tb(error.__traceback__) if Path(at.filename).parent == _HERE]
        print(f"  NOT RUN: {type(error).__name__}: {error} at {ours[-1].name}:{ours[-1].lineno}", flush=True)
        return False
    outcomes.append(outcome)
    summary.rows.append(outcome.row)
    write(options.out, summary, outcomes)
    verdict = outcome.verdict
    print(
        f"  {'holds' if verdict.ok else 'BROKEN'} in {time.monotonic() - began:.0f} s: "
        f"{verdict.events} events, {verdict.unique} ids, effects per id {verdict.effects}, "
        f"second {verdict.second}, late {verdict.late}, "
        f"lost {verdict.losses}, unknown {verdict.unknown}, "
        f"recovery {'-' if verdict.recovery is None else f'{verdict.recovery:.1f} s'}",
        flush=True,
    )
    for violation in verdict.violations:
        print(f"  {violation.rule}: {violation.says}", flush=True)
    if verdict.ok:
        shutil.rmtree(folder, ignore_errors=True)
    return verdict.ok


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    parser.add_argument("--schedules", type=int, default=10, help="how many")
    parser.add_argument("--seed", type=int, help="of the first; drawn and printed when it is not given")
    parser.add_argument("--only", type=int, nargs="+", metavar="SEED", help="these schedules and no others")
    parser.add_argument("--out", type=Path, default=Path("build"), help="where the report goes")
    parser.add_argument("--fresh", action="store_true", help="forget what earlier runs left in the report")
    parser.add_argument(
        "--no-traces", dest="traces", action="store_false", help="without Jaeger, and without its faults"
    )
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
