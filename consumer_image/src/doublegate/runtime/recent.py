"""What the ledger was told of late. A replica that is promoted lacks the last of it, so it is told again."""

import time
from collections import deque
from collections.abc import Container, Sequence
from typing import NamedTuple

from doublegate.gate.ledger_types import Assignment, Completions
from doublegate.runtime.record import Record

__all__ = ["GivenUp", "Recent", "in_doubt"]

_SECONDS = 60.0


def in_doubt(record: Record) -> bool:
    """Whether an attempt under its present claim, or under one that it took over, may have had an effect."""
    return record.unknown and record.attempt > 0  # a replay begins at 0 again


class GivenUp(NamedTuple):
    """A claim that ended without DONE: failed or released. Without the record, whose payload is large.

    Attributes:
        key: of the entry.
        held: partition and epoch that it was claimed under.
        attempt: attempts begun.
        unknown: the outcome of one of them is unknown.
    """

    key: bytes
    held: Assignment
    attempt: int
    unknown: bool

    @classmethod
    def of(cls, record: Record, *, unknown: bool) -> "GivenUp":
        """A record's claim."""
        partition = record.partition
        held = Assignment(partition.topic_id, partition.name.partition, record.epoch)
        return cls(record.key, held, min(record.attempt, 255), unknown)


class _Told(NamedTuple):
    at: float
    keys: list[bytes]
    digests: list[bytes]
    failed: list[GivenUp]
    released: list[GivenUp]


class Recent:
    """The last minute; the engine's thread adds to it, the ledger's reads it."""

    def __init__(self) -> None:
        self._told: deque[_Told] = deque()

    def add(self, done: Sequence[Record], failed: list[GivenUp], released: list[GivenUp]) -> None:
        """The ledger acknowledged these."""
        if not (done or failed or released):
            return
        now = time.monotonic()
        self._told.append(_Told(now, [r.key for r in done], [r.digest for r in done], failed, released))
        while self._told[0].at < now - _SECONDS:
            self._told.popleft()

    def done(self) -> Completions:
        """What was DONE."""
        told = self._young()
        return Completions(
            [key for one in told for key in one.keys], [d for one in told for d in one.digests]
        )

    def given_up(self, held: Container[bytes]) -> tuple[list[GivenUp], list[GivenUp]]:
        """What was failed and what was released, but for the keys of claims that are `held` now.

        A claim that came back to life would have an owner that lives and knows nothing of it: whoever asks
        for the event would wait for as long as that process lives.
        """
        told = self._young()
        return (
            [row for one in told for row in one.failed if row.key not in held],
            [row for one in told for row in one.released if row.key not in held],
        )

    def _young(self) -> list[_Told]:
        oldest = time.monotonic() - _SECONDS
        return [one for one in list(self._told) if one.at >= oldest]
