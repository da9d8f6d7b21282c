"""The run carried up to another rate: what a spike costs per event, and what so many events then need; pure.

CPU seconds, not wall time: on a busy machine they are what stays the same. What is idle in the spike, such as
a JVM's start, is in them too, so they are an upper bound.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.benchmarks.flow.samples import Samples

__all__ = ["Cost", "backlog", "cost"]


@dataclass(frozen=True, slots=True)
class Cost:
    """CPU seconds.

    Attributes:
        consumer: of a quick group's process, per event done.
        servers: by name, per event delivered to a group.
    """

    consumer: float
    servers: dict[str, float]

    def cores(self, events_out: float) -> dict[str, float]:
        """Cores for so many events per second out of the topic, all groups together."""
        return {"consumers": events_out * self.consumer} | {
            name: events_out * each for name, each in self.servers.items()
        }


def cost(spike: Samples) -> Cost:
    """From the events of a spike."""
    first, last = spike.all[0], spike.all[-1]
    done = {name: spike.done(name) for name in first.groups}
    used = sum(last.groups[name].cpu - first.groups[name].cpu for name in spike.quick)
    out = sum(done.values())
    servers = {name: (last.servers[name] - before) / out for name, before in first.servers.items()}
    return Cost(consumer=used / (out - done[spike.slow]), servers=servers)


def backlog(offered: float, capacity: float, seconds: float, rest: float) -> tuple[float, float]:
    """Events that a spike leaves in Kafka for one group, and the seconds that they drain in.

    Args:
        offered: events per second in the spike.
        capacity: events per second that the group works off.
        seconds: of the spike.
        rest: events per second after it.
    """
    left = max(0.0, offered - capacity) * seconds
    return left, left / (capacity - rest)
