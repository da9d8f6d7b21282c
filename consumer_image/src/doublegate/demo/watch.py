"""Watches a run from outside: how far the group has committed, what the consumers' own counters say."""

from __future__ import annotations

import json
import logging
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.request import urlopen

from confluent_kafka import Consumer, TopicPartition
from prometheus_client.parser import text_string_to_metric_families

from doublegate.contract import metrics as names
from doublegate.contract.states import Decision, Gate

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Counts", "GroupWatch", "Progress", "at_work", "read_counts", "rejected", "scrape", "status"]

SCRAPE_SECONDS = 2
CALL_SECONDS = 10.0
LOCAL = frozenset({Gate.COMMIT, Gate.WATERMARK, Gate.INFLIGHT, Gate.MEMORY})

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Progress:
    """How far a group is with its topics."""

    done: int
    lag: int

    @property
    def end(self) -> int:
        """How many records its topics have had."""
        return self.done + self.lag


class GroupWatch:
    """Asks the brokers for a group's committed offsets and its topics' ends.

    Args:
        kafka: librdkafka's settings for a client.
        group: whose.
        topics: of which, with their number of partitions.
    """

    def __init__(self, kafka: Mapping[str, Any], group: str, topics: Mapping[str, int]) -> None:
        # It never joins. AdminClient.list_consumer_group_offsets crashes librdkafka 2.16 now and then.
        settings = {**kafka, "group.id": group, "enable.auto.commit": False}
        self._reader = Consumer(settings, logger=_log)
        self._places = [
            TopicPartition(topic, number) for topic, count in topics.items() for number in range(count)
        ]

    def progress(self) -> Progress:
        """Where it is now."""
        committed = self._reader.committed(self._places, timeout=CALL_SECONDS)
        done = sum(max(place.offset, 0) for place in committed)
        ends = [self._reader.get_watermark_offsets(place, timeout=CALL_SECONDS)[1] for place in self._places]
        return Progress(done, sum(ends) - done)


@dataclass
class Counts:
    """A consumer's counters.

    Attributes:
        decided: events by decision and gate.
        unknown: outcomes that nobody can know, by cause.
        dead_letters: by reason.
    """

    decided: Counter[tuple[str, str]] = field(default_factory=Counter)
    unknown: Counter[str] = field(default_factory=Counter)
    dead_letters: Counter[str] = field(default_factory=Counter)

    def __add__(self, other: Counts) -> Counts:
        return Counts(
            self.decided + other.decided, self.unknown + other.unknown, self.dead_letters + other.dead_letters
        )


def read_counts(page: str) -> Counts:
    """Read a `/metrics` page."""
    counts = Counts()
    for family in text_string_to_metric_families(page):
        for sample in family.samples:
            labels, value = sample.labels, int(sample.value)
            if sample.name == names.EVENTS:
                counts.decided[labels["decision"], labels["gate"]] += value
            elif sample.name == names.UNKNOWN_OUTCOMES:
                counts.unknown[labels["cause"]] += value
            elif sample.name == names.DEAD_LETTERS:
                counts.dead_letters[labels["reason"]] += value
    return counts


def scrape(port: int) -> Counts | None:
    """A consumer's counters now; None when it does not answer."""
    try:
        with urlopen(f"http://127.0.0.1:{port}/metrics", timeout=SCRAPE_SECONDS) as answer:
            return read_counts(answer.read().decode())
    except OSError:
        return None


def status(port: int) -> dict[str, Any]:
    """What a consumer says of itself; nothing when it does not answer."""
    try:
        with urlopen(f"http://127.0.0.1:{port}/status", timeout=SCRAPE_SECONDS) as answer:
            found: dict[str, Any] = json.load(answer)
    except OSError:
        return {}
    return found


def at_work(port: int, topic: str) -> int:
    """How many partitions of the topic a consumer works on; 0 unless it says that it is ready."""
    try:
        with urlopen(f"http://127.0.0.1:{port}/readyz", timeout=SCRAPE_SECONDS):
            pass  # anything but 200 raises
    except OSError:
        return 0
    return sum(one["topic"] == topic for one in status(port).get("partitions", ()))


def rejected(counts: Counts) -> dict[str, int]:
    """Duplicates by where they were rejected."""
    by_gate = Counter[str]()
    for (decision, gate), count in counts.decided.items():
        if decision == Decision.DUPLICATE:
            by_gate["local" if gate in LOCAL else gate] += count
    return {where: by_gate[where] for where in ("local", Gate.LEDGER.value, Gate.INBOX.value)}
