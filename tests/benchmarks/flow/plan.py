"""What happens when: the phases of a run, in events per second and seconds; pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

__all__ = ["Far", "Phase", "Plan"]

DRAIN_FACTOR = 6.0
"""A phase that waits for a drain gives up after so many spikes' lengths."""


class Far(StrEnum):
    """How the slow group's downstream is."""

    HEALTHY = "healthy"
    SLOW = "slow"
    FAILING = "failing"


@dataclass(frozen=True, slots=True)
class Phase:
    """A part of the run.

    Attributes:
        name: unique.
        title: for people.
        rate: events per second that are offered.
        seconds: that it lasts at least.
        follow: the producer keeps to what the groups ask for; otherwise it only observes.
        far: the downstream.
        drains: it goes on until no group is behind, up to `longest`.
        longest: seconds, for a phase that waits for a drain.
    """

    name: str
    title: str
    rate: float
    seconds: float
    follow: bool = False
    far: Far = Far.HEALTHY
    drains: bool = False
    longest: float = field(default=0.0, kw_only=True)

    def over(self, passed: float, *, drained: bool) -> bool:
        """Whether it ends `passed` seconds after it began."""
        if passed < self.seconds:
            return False
        return drained or not self.drains or passed >= self.longest


@dataclass(frozen=True, slots=True)
class Plan:
    """A run.

    Attributes:
        rate: events per second at rest.
        factor: of the spike.
        seconds: of the spike; everything else scales with it.
        groups: that read the topic, the slow one included.
    """

    rate: float
    factor: float
    seconds: float
    groups: int

    @property
    def target_drain(self) -> float:
        """`scaling.targetDrain` in seconds: short beside the spike, so that the throttle can settle in it."""
        return max(1.0, self.seconds / 6)

    @property
    def phases(self) -> tuple[Phase, ...]:
        """In order."""
        rest, spike, s = self.rate, self.rate * self.factor, self.seconds
        until = DRAIN_FACTOR * s
        return (
            # Fills every buffer once, so that what grows later grows with the backlog.
            Phase("warm", "warm-up, not judged", spike, s / 2),
            Phase("rest", "at rest", rest, s / 2, drains=True, longest=until),
            Phase("spike", "spike, nobody follows", spike, s),
            Phase("drain", "it drains", rest, s / 2, drains=True, longest=until),
            Phase("followed", "the same spike, followed", spike, s, follow=True),
            Phase("recovery", "it drains", rest, s / 2, follow=True, drains=True, longest=until),
            Phase("free", "at rest again", rest, s / 2, follow=True),
            Phase("slow", "downstream 10 x slower", rest, s, far=Far.SLOW),
            Phase("healed", "well again", rest, s / 2, drains=True, longest=until),
            Phase("failing", "downstream fails", rest, s / 2, far=Far.FAILING),
            Phase("mended", "well again", rest, s / 2, drains=True, longest=until),
        )
