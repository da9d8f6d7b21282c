"""A consumer process of a fault run: `doublegate run` as it is, with kill points and, if asked, one break.

`python -m tests.faults.member RESOURCE.yaml PORT`; the environment says the rest.
"""

from __future__ import annotations

import gc
import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

from doublegate.contract.resource import load_consumer
from doublegate.demo.lifeline import end_with_stdin
from doublegate.runtime import service
from doublegate.runtime.claims import Claims
from doublegate.runtime.lanes import Lanes
from doublegate.runtime.parking import Parking
from doublegate.runtime.partition import Partition
from doublegate.telemetry import logs
from tests.faults import broken, points

CLOCK_STEP = 3600.0
_TOLD = ("_known", "_told", "_queue", "_telling", "_unwritten", "_started")


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
    signal.signal(signal.SIGUSR2, lambda *_: _tell())
    return service.run(load_consumer(Path(path)), host="127.0.0.1", port=int(port))


def _patch_client() -> None:
    """Assignors that the resource does not offer, and partitions that are noticed within a run."""
    original = service.client_config

    def config(*args: Any) -> dict[str, object]:
        assignor = os.environ.get("FAULTS_ASSIGNOR")
        given = original(*args) | {"topic.metadata.refresh.interval.ms": 3000}
        return given | {"partition.assignment.strategy": assignor} if assignor else given

    service.client_config = config


def _tell() -> None:
    """What the engine holds, into the log: for a run that does not end."""
    for one in gc.get_objects():
        if isinstance(one, Partition):
            waiting = [
                (r.offset, r.event_id, r.stage.name, r.lane, r.attempt) for r in one.pending if not r.finished
            ]
            print(f"{one.name} active {one.active} revoked {one.revoked} epoch {one.epoch}: {waiting[:5]}")
        elif isinstance(one, Lanes):
            for number, lane in enumerate(one._lanes):
                if lane.busy or lane.blocked or lane.claimed or lane.waiting:
                    print(
                        f"lane {number}: busy {lane.busy} blocked {lane.blocked} claimed {len(lane.claimed)} "
                        f"waiting {len(lane.waiting)} queued {lane.queued} revived {lane.revived}"
                    )
        elif isinstance(one, Parking):
            print(f"parking { ({n: v for n, v in vars(one).items() if n in _TOLD}) }")
        elif isinstance(one, Claims):
            print(f"claims again {len(one._again)} parked {len(one._parked)}")
    sys.stdout.flush()


def _jump() -> None:
    """The wall clock jumps an hour, forwards first."""
    real, step = time.time, CLOCK_STEP * (1 if not hasattr(time, "jumped") else -2)
    time.jumped = True  # type: ignore[attr-defined]
    time.time = lambda: real() + step


if __name__ == "__main__":
    sys.exit(main())
