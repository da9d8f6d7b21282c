"""What is noted each second, and series out of it; pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

__all__ = ["GroupSample", "Sample", "Samples"]


@dataclass(frozen=True, slots=True)
class GroupSample:
    """One group.

    Attributes:
        done: events so far.
        letters: dead letters so far.
        behind: events written and neither done nor a letter.
        held: of these, in the process.
        concurrency: its limit now.
        paused: the causes.
        memory: resident, bytes.
        cpu: seconds used so far.
    """

    done: int
    letters: int
    behind: int
    held: int
    concurrency: int
    paused: tuple[str, ...]
    memory: int
    cpu: float


@dataclass(frozen=True, slots=True)
class Sample:
    """Everything at one moment.

    Attributes:
        at: seconds since the run began.
        phase: its name.
        offered: events so far.
        written: of these.
        suggested: events per second that the slowest group asks for; None is no limit.
        slowest: that group; None when nobody is heard.
        groups: by name.
        peak: calls at once at the downstream, the most since the sample before.
        calls: that the downstream got so far.
        failed: of these.
        servers: CPU seconds used so far, by name.
    """

    at: float
    phase: str
    offered: int
    written: int
    suggested: float | None
    slowest: str | None
    groups: dict[str, GroupSample]
    peak: int
    calls: int
    failed: int
    servers: dict[str, float]


class Samples:
    """Those of a run, in order.

    Args:
        all_: the samples.
        slow: the slow group's name.
    """

    def __init__(self, all_: Sequence[Sample], slow: str) -> None:
        self.all = list(all_)
        self.slow = slow

    def of(self, *phases: str) -> Samples:
        """Those of some phases."""
        return Samples([one for one in self.all if one.phase in phases], self.slow)

    def last(self, seconds: float) -> Samples:
        """Those of the last seconds."""
        return Samples([one for one in self.all if one.at >= self.all[-1].at - seconds], self.slow)

    def after(self, seconds: float) -> Samples:
        """Those from so many seconds after the first on."""
        return Samples([one for one in self.all if one.at >= self.all[0].at + seconds], self.slow)

    def group(self, name: str) -> list[GroupSample]:
        """One group's."""
        return [one.groups[name] for one in self.all]

    @property
    def slow_group(self) -> list[GroupSample]:
        """The slow one's."""
        return self.group(self.slow)

    @property
    def quick(self) -> list[str]:
        """The other groups."""
        return [name for name in self.all[0].groups if name != self.slow]

    def grown(self, count: Callable[[Sample], float]) -> float:
        """By how much a count grew from the first to the last."""
        return count(self.all[-1]) - count(self.all[0])

    def rate(self, count: Callable[[Sample], float]) -> float:
        """That, per second."""
        return self.grown(count) / (self.all[-1].at - self.all[0].at)

    def done(self, name: str) -> float:
        """What a group worked off."""
        return self.grown(lambda one: one.groups[name].done)

    def done_rate(self, name: str) -> float:
        """What a group worked off, per second."""
        return self.rate(lambda one: one.groups[name].done)

    def rates(self, count: Callable[[Sample], float], over: int = 3) -> list[tuple[float, float]]:
        """(seconds, per second), each over the samples since `over` before."""
        pairs = zip(self.all, self.all[over:], strict=False)
        return [(b.at, (count(b) - count(a)) / (b.at - a.at)) for a, b in pairs]
