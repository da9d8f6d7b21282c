"""The rows of an exchange with the ledger, and the assignments that they point at."""

from collections.abc import Iterable, Sequence

from doublegate.gate.ledger_types import Assignment, Failures, Releases
from doublegate.runtime.partition import Partition
from doublegate.runtime.recent import GivenUp
from doublegate.runtime.record import Record

__all__ = ["Table", "failures_of", "grants_of", "releases_of"]


class Table:
    """The assignments that the rows of an exchange point at."""

    def __init__(self) -> None:
        self.rows: list[Assignment] = []
        self.partitions: list[Partition | None] = []
        self._indices: dict[tuple[Partition, int], int] = {}
        self._ended: dict[Assignment, int] = {}

    def index(self, partition: Partition, epoch: int) -> int:
        """A partition of ours under an epoch."""
        found = self._indices.get((partition, epoch))
        if found is None:
            found = self._indices[partition, epoch] = len(self.rows)
            self.rows.append(Assignment(partition.topic_id, partition.name.partition, epoch))
            self.partitions.append(partition)
        return found

    def of(self, held: Assignment) -> int:
        """An assignment that may be over, so that nobody asks whose it is."""
        found = self._ended.get(held)
        if found is None:
            found = self._ended[held] = len(self.rows)
            self.rows.append(held)
            self.partitions.append(None)
        return found

    def named(self, partition: Partition, topic: bytes) -> int:
        """A mark of the partition under another name than its topic's."""
        self.rows.append(Assignment(topic, partition.name.partition, partition.epoch))
        self.partitions.append(partition)
        return len(self.rows) - 1


def failures_of(table: Table, rows: Sequence[GivenUp]) -> Failures:
    """Claims whose dead letters are acknowledged."""
    return Failures(
        [r.key for r in rows],
        [table.of(r.held) for r in rows],
        [r.attempt for r in rows],
        [r.unknown for r in rows],
    )


def releases_of(table: Table, rows: Sequence[GivenUp]) -> Releases:
    """Claims that are given back."""
    return Releases([r.key for r in rows], [table.of(r.held) for r in rows], [r.unknown for r in rows])


def grants_of(starts: Iterable[Record]) -> dict[Partition, int]:
    """How far the grants have to go for these to start, where they don't go so far yet."""
    grants: dict[Partition, int] = {}
    for record in starts:
        partition = record.partition
        record.epoch = partition.epoch
        partition.asked_grant = True
        if record.offset > grants.get(partition, partition.grant):
            grants[partition] = record.offset
    return grants
