"""How claims ended: what the ledger was told of late, and what it was not told yet.

A replica that is promoted lacks the last of it, so it is told again.
"""

import time
from collections import deque
from collections.abc import Container, Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

from doublegate.gate.ledger_types import Assignment
from doublegate.runtime.record import Record

__all__ = ["Ended", "GivenUp", "Owed", "Recent", "in_doubt"]

_SECONDS = 60.0
_MOST_OWED = 100_000


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


@dataclass(frozen=True, slots=True)
class Ended:
    """Claims that ended.

    Attributes:
        done: (key, digest) of what is DONE.
        failed: whose dead letters are acknowledged.
        released: given back.
    """

    done: list[tuple[bytes, bytes]] = field(default_factory=list)
    failed: list[GivenUp] = field(default_factory=list)
    released: list[GivenUp] = field(default_factory=list)

    @classmethod
    def of(cls, done: Iterable[Record], failed: Iterable[Record], released: list[GivenUp]) -> "Ended":
        """How these records ended."""
        given_up = [GivenUp.of(record, unknown=record.unknown) for record in failed]
        return cls([(record.key, record.digest) for record in done], given_up, released)

    def __add__(self, later: "Ended") -> "Ended":
        return Ended(self.done + later.done, self.failed + later.failed, self.released + later.released)

    def __len__(self) -> int:
        """Rows of the kind that has most."""
        return max(len(self.done), len(self.failed), len(self.released))

    def part(self, start: int, end: int | None) -> "Ended":
        """Rows of each kind."""
        return Ended(self.done[start:end], self.failed[start:end], self.released[start:end])


class Recent:
    """What the ledger acknowledged in the minute before it did so last, however long ago that is.

    The engine's thread adds to it, the ledger's reads.
    """

    def __init__(self) -> None:
        self._told: deque[tuple[float, Ended]] = deque()

    def add(self, ended: Ended) -> None:
        """The ledger acknowledged these."""
        if not ended:
            return
        now = time.monotonic()
        self._told.append((now, ended))
        while self._told[0][0] < now - _SECONDS:
            self._told.popleft()

    def but_for(self, held: Container[bytes]) -> Ended:
        """All of it, but no failure or release of a key whose claim is `held` now.

        A claim that came back to life would have an owner that lives and knows nothing of it: whoever asks
        for the event would wait for as long as that process lives.
        """
        told = [ended for _, ended in list(self._told)]
        return Ended(
            [row for one in told for row in one.done],
            [row for one in told for row in one.failed if row.key not in held],
            [row for one in told for row in one.released if row.key not in held],
        )


class Owed:
    """What ended while the ledger was away and the inbox alone decided: told when it is back.

    Else the claims that it granted before would stand for as long as this process lives. Those come first, so
    a long absence drops what comes last.
    """

    def __init__(self) -> None:
        self._rows = Ended()

    def __len__(self) -> int:
        return len(self._rows)

    def add(self, ended: Ended) -> None:
        """The ledger does not know of these."""
        self._rows = (self._rows + ended).part(0, _MOST_OWED)

    def take(self, most: int) -> Ended:
        """At most that many of each kind, the oldest; they are owed no more."""
        taken, self._rows = self._rows.part(0, most), self._rows.part(most, None)
        return taken

    def put_back(self, ended: Ended) -> None:
        """They could not be told."""
        self._rows = ended + self._rows
