"""One case in a process of its own: `python -m tests.benchmarks.worker JOB`; the answer is the last line."""

from __future__ import annotations

import json
import sys
from importlib import import_module

from tests.benchmarks.job import Job

__all__: list[str] = []

# Imported by name, so that no case carries the modules of another.
RUNNERS = {
    "a": "plain:bare",
    "b": "gates:per_event",
    "b2": "gates:per_partition",
    "c": "gates:per_event",
    "d": "plain:one_by_one",
    "e": "plain:pipelined",
    "f": "full:runtime",
    "f2": "full:runtime",
    "f_avro": "full:runtime",
    "f_traced": "full:runtime",
    "g": "full:runtime",
    "latency": "latency:latency",
    "micro": "micro:micro",
    "soak": "soak:measure",
}


def main() -> None:
    """Run the job."""
    job = Job.from_json(sys.argv[1])
    module, _, function = RUNNERS[job.case].partition(":")
    run = getattr(import_module(f"tests.benchmarks.{module}"), function)
    sys.stdout.write(f"\n{json.dumps(run(job))}\n")


if __name__ == "__main__":
    main()
