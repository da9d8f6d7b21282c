"""What the engine holds: partitions, records on their way, and what they weigh. One thread owns it."""

from collections.abc import Iterable

from doublegate.gate.local import LocalGate
from doublegate.runtime.lanes import Lanes
from doublegate.runtime.partition import Partition, TopicPartitionKey
from doublegate.runtime.record import Record, Stage

__all__ = ["State"]


class State:
    """The records that were delivered and are not finished."""

    def __init__(self, local: LocalGate, lanes: Lanes) -> None:
        self.local = local
        self.lanes = lanes
        self.partitions: dict[TopicPartitionKey, Partition] = {}
        self.held = 0
        """Unfinished records."""
        self.held_bytes = 0
        self.running_elsewhere: dict[tuple[TopicPartitionKey, int], Record] = {}
        """Records of revoked partitions that a worker still has: the same position may be delivered again."""
        self.data = ""
        """The ledger's data that our session is part of."""
        self.lost_until = 0.0
        """The ledger lost data within the TTL: until then (monotonic seconds) its "new" proves less."""
        self.crowded = False
        """Some partition's finished offsets hardly fit its commit: what it waits for must end first."""

    def admit(self, records: Iterable[Record]) -> None:
        """Records that were delivered."""
        for record in records:
            self.held += 1
            self.held_bytes += record.size

    def done(self, records: list[Record]) -> None:
        """The ledger acknowledged these as DONE."""
        self.local.done([r.key for r in records], [r.digest for r in records])
        self.finish(records)

    def finish(self, records: Iterable[Record]) -> None:
        """The commit may pass these."""
        for record in records:
            if record.finished or record.stage is Stage.DROPPED:
                continue
            record.finished = True
            self.held -= 1
            self.held_bytes -= record.size
            if record.partition.revoked:
                self.running_elsewhere.pop((record.partition.name, record.offset), None)

    def revoke(self, partition: Partition) -> tuple[list[Record], list[Record]]:
        """Give up a partition's records that have not started.

        Returns:
            Those whose claims must be released, and those that a worker has or whose end is being recorded.
        """
        partition.revoked = True
        release: list[Record] = []
        busy: list[Record] = []
        dropped: list[Record] = []
        for record in partition.pending:
            if record.finished:
                continue
            if record.stage >= Stage.RUNNING:
                busy.append(record)
                self.running_elsewhere[partition.name, record.offset] = record
                continue
            if record.epoch:  # it was asked for once, and may have a claim, be it a void one
                release.append(record)
            record.stage = Stage.DROPPED
            dropped.append(record)
            self.held -= 1
            self.held_bytes -= record.size
        self._let_go(dropped)
        self.lanes.forget(dropped)
        return release, busy

    def commits(self) -> dict[TopicPartitionKey, tuple[int, str]]:
        """Offset and metadata of each partition whose commit moved.

        Behind a slow record only the metadata moves: a crash must not run again what finished above it.
        """
        moved: dict[TopicPartitionKey, tuple[int, str]] = {}
        for name, partition in self.partitions.items():
            offset = partition.advance()
            metadata = partition.metadata(self.data)
            if offset != partition.committed or metadata != partition.committed_metadata:
                moved[name] = (offset, metadata)
                partition.committed, partition.committed_metadata = offset, metadata
        self.crowded = any(partition.crowded for partition in self.partitions.values())
        return moved

    def watermarks(self, names: Iterable[TopicPartitionKey]) -> dict[Partition, int]:
        """Highest contiguous finished offset of each partition."""
        return {p: p.advance() - 1 for name in names if (p := self.partitions.get(name)) is not None}

    def abandon(self, records: Iterable[Record]) -> None:
        """Records that came back from a worker unfinished, whose partition is given up."""
        for record in records:
            record.stage = Stage.DROPPED
            self.held -= 1
            self.held_bytes -= record.size
            self.running_elsewhere.pop((record.partition.name, record.offset), None)
            self._let_go([record])

    def _let_go(self, dropped: list[Record]) -> None:
        """The ids of dropped records are free, but those that another record of ours has in flight."""
        elsewhere = self.running_elsewhere
        self.local.let_go(
            [r.key for r in dropped if not r.claimless and (r.partition.name, r.offset) not in elsewhere]
        )
