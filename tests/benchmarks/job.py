"""What a worker process is told, and what it answers: one JSON object each way."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

__all__ = ["ROOT", "BrokenCase", "Job", "run_worker"]

ROOT = Path(__file__).resolve().parents[2]


class BrokenCase(Exception):
    """A case did not end, or ended with a wrong result."""


@dataclass(frozen=True)
class Job:
    """One run of one case.

    Attributes:
        case: which.
        bootstrap: the Kafka brokers.
        redis: URL of the ledger's server.
        topic: what is read.
        events: how many of it.
        registry: URL of the schema registry.
        otlp: where spans go.
        pids: the servers' processes, by name, for their CPU time.
        options: more, by case.
    """

    case: str
    bootstrap: str
    redis: str
    topic: str
    events: int
    registry: str = ""
    otlp: str = ""
    pids: dict[str, int] = field(default_factory=dict)
    options: dict[str, Any] = field(default_factory=dict)

    def to_json(self) -> str:
        """For the worker's command line."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Job:
        """The inverse."""
        return cls(**json.loads(text))


def run_worker(
    job: Job,
    deadline: float,
    *,
    command: tuple[str, ...] = (sys.executable, "-m", "tests.benchmarks.worker"),
    env: dict[str, str] | None = None,
) -> dict[str, Any]:
    """Run a case in a process of its own.

    Raises:
        BrokenCase: with the last lines it wrote.
    """
    try:
        ended = subprocess.run(
            [*command, job.to_json()],
            cwd=ROOT,
            env=env,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=deadline,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise BrokenCase(f"case {job.case} took longer than {deadline:.0f} s") from error
    if ended.returncode:
        last = "\n".join(ended.stderr.strip().splitlines()[-15:])
        raise BrokenCase(f"case {job.case} ended with exit code {ended.returncode}:\n{last}")
    answer: dict[str, Any] = json.loads(ended.stdout.strip().splitlines()[-1])
    return answer
