"""Samples for tests: a run in which nothing happens, and changes of it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from tests.benchmarks.flow.samples import GroupSample, Sample, Samples

if TYPE_CHECKING:
    from collections.abc import Callable

SLOW, QUICK = "slow", "quick-1"


def group(**changes: Any) -> GroupSample:
    """A group at rest."""
    still = GroupSample(
        done=0, letters=0, behind=0, held=0, concurrency=16, paused=(), memory=100 << 20, cpu=0.0
    )
    return replace(still, **changes)


def series(
    seconds: int,
    *,
    slow: Callable[[int], GroupSample] = lambda _: group(),
    quick: Callable[[int], GroupSample] = lambda _: group(),
    **counts: Callable[[int], Any],
) -> Samples:
    """A sample a second; each value is a function of the second."""
    still: dict[str, Any] = {
        "phase": "phase",
        "offered": 0,
        "written": 0,
        "suggested": None,
        "slowest": None,
        "peak": 0,
        "calls": 0,
        "failed": 0,
        "servers": {},
    }
    found = []
    for second in range(seconds + 1):
        now = still | {name: value(second) for name, value in counts.items()}
        found.append(Sample(at=float(second), groups={SLOW: slow(second), QUICK: quick(second)}, **now))
    return Samples(found, SLOW)
