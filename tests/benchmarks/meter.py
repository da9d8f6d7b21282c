"""Wall and CPU time of a run: this process with all its threads, and the servers beside it."""

from __future__ import annotations

import time
from contextlib import suppress
from typing import Any

import psutil

__all__ = ["Meter"]


class Meter:
    """Runs from `start` to `stop`.

    Args:
        pids: the servers, by name.
    """

    def __init__(self, pids: dict[str, int]) -> None:
        self._pids = pids
        self._begun: tuple[float, float, dict[str, float]] = (0.0, 0.0, {})
        self._ended = self._begun

    def start(self) -> None:
        """The first event is there."""
        self._begun = self._now()

    def stop(self) -> None:
        """The last event is finished."""
        self._ended = self._now()

    def result(self, events: int) -> dict[str, Any]:
        """Rates of so many events."""
        wall = self._ended[0] - self._begun[0]
        cpu = self._ended[1] - self._begun[1]
        return {
            "events": events,
            "seconds": wall,
            "cpu_seconds": cpu,
            "events_per_second": events / wall,
            "events_per_cpu_second": events / cpu,
            "server_cpu_seconds": {n: self._ended[2][n] - self._begun[2][n] for n in self._begun[2]},
            "rss_bytes": psutil.Process().memory_info().rss,
        }

    def _now(self) -> tuple[float, float, dict[str, float]]:
        servers = {name: _cpu(pid) for name, pid in self._pids.items()}
        return time.perf_counter(), time.process_time(), servers


def _cpu(pid: int) -> float:
    """Seconds of a process and its descendants (PostgreSQL has one per connection)."""
    total = 0.0
    with suppress(psutil.NoSuchProcess):
        process = psutil.Process(pid)
        for one in (process, *process.children(recursive=True)):
            with suppress(psutil.NoSuchProcess):
                times = one.cpu_times()
                total += times.user + times.system
    return total
