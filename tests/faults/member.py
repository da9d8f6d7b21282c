"""A consumer process of a fault run: `doublegate run` as it is, with kill points and, if asked, one break.

`python -m tests.faults.member RESOURCE.yaml PORT`; the environment says the rest.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

from doublegate.contract.resource import load_consumer
from doublegate.demo.lifeline import end_with_stdin
from doublegate.runtime import service
from doublegate.telemetry import logs
from tests.faults import broken, points

CLOCK_STEP = 3600.0


def main() -> int:
    """Consume until told to end."""
    path, port = sys.argv[1:]
    logs.configure("INFO")
    end_with_stdin()
    points.install()
    if name := os.environ.get("FAULTS_BROKEN"):
        broken.BUILDS[name]()
    _patch_client()
    signal.signal(signal.SIGUSR1, lambda *_: _jump())
    return service.run(load_consumer(Path(path)), host="127.0.0.1", port=int(port))


def _patch_client() -> None:
    """Assignors that the resource does not offer, and partitions that are noticed within a run."""
    original = service.client_config

    def config(*args: Any) -> dict[str, object]:
        assignor = os.environ.get("FAULTS_ASSIGNOR")
        given = original(*args) | {"topic.metadata.refresh.interval.ms": 3000}
        return given | {"partition.assignment.strategy": assignor} if assignor else given

    service.client_config = config


def _jump() -> None:
    """The wall clock jumps an hour, forwards first."""
    real, step = time.time, CLOCK_STEP * (1 if not hasattr(time, "jumped") else -2)
    time.jumped = True  # type: ignore[attr-defined]
    time.time = lambda: real() + step


if __name__ == "__main__":
    sys.exit(main())
