"""What all groups say of their topics: the sum of each group's processes, and the slowest group's word.

Pure; the producer's follower keeps one, and so does whoever reads the signals in Redis.
"""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

from doublegate.contract.flow_signal import FlowSignal, suggested_rate

__all__ = ["FlowBoard", "Suggestion"]


@dataclass(frozen=True, slots=True)
class Suggestion:
    """What the slowest group with a stake in a topic asks for; a group has one when it publishes.

    Attributes:
        topic: the topic.
        group: the slowest group.
        members: its processes that own partitions.
        lag: records that it is behind.
        capacity: events per second that it works off.
        rate: events per second that producers should write; None is no limit.
    """

    topic: str
    group: str
    members: int
    lag: int
    capacity: float
    rate: float | None

    @property
    def drain(self) -> float:
        """Seconds that working off the lag takes."""
        return self.lag / self.capacity


class _Entry(NamedTuple):
    signal: FlowSignal
    until: float


class FlowBoard:
    """The latest word of each process, as long as it counts.

    It counts for its lifetime from when it is first seen here, by this process's monotonic clock: clocks of
    consumers and producers that differ then do no harm.
    """

    def __init__(self) -> None:
        self._entries: dict[bytes, _Entry] = {}

    def take(self, signal: FlowSignal, now: float) -> None:
        """Note a word; one that was read before does not count for longer."""
        known = self._entries.get(signal.key)
        if known is None or known.signal.at != signal.at:
            self._entries[signal.key] = _Entry(signal, now + signal.lifetime)

    def forget(self, key: bytes) -> None:
        """The process stopped and took its word back."""
        self._entries.pop(key, None)

    def suggestions(self, now: float) -> dict[str, Suggestion]:
        """What holds for each topic; expired words are forgotten."""
        self._entries = {key: entry for key, entry in self._entries.items() if entry.until > now}
        groups: defaultdict[tuple[str, str], list[FlowSignal]] = defaultdict(list)
        for signal, _ in self._entries.values():
            if signal.partitions:
                groups[signal.topic, signal.group].append(signal)
        slowest: dict[str, Suggestion] = {}
        for (topic, group), signals in groups.items():
            mine = _summed(topic, group, signals)
            if topic not in slowest or _slowness(mine) > _slowness(slowest[topic]):
                slowest[topic] = mine
        return slowest


def _summed(topic: str, group: str, signals: Iterable[FlowSignal]) -> Suggestion:
    """By the law, of the sums: a process without a limit would otherwise hide one that drowns."""
    members = list(signals)
    capacity, lag = sum(m.capacity for m in members), sum(m.lag for m in members)
    target = min(m.target for m in members)
    return Suggestion(topic, group, len(members), lag, capacity, suggested_rate(capacity, lag, target))


def _slowness(one: Suggestion) -> tuple[float, float, str]:
    return (float("-inf") if one.rate is None else -one.rate, one.drain, one.group)
