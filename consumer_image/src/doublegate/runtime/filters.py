"""The filters of the partitions: sized for the whole topic, handed from owner to owner through the ledger."""

import logging
import time
from collections.abc import Callable

from doublegate.contract.consumer_spec import ConsumerSpec
from doublegate.contract.sizing import filter_size
from doublegate.gate.filter import PartitionFilter, SnapshotError
from doublegate.gate.ledger_errors import LedgerError
from doublegate.gate.ledger_protocol import LedgerApi
from doublegate.runtime.partition import Partition
from doublegate.runtime.reread import Reading

__all__ = ["Filters"]

log = logging.getLogger(__name__)


class Filters:
    """Makes, restores and keeps filters. `load` and `keep` are for the ledger's thread.

    Args:
        spec: sizes and window.
        partitions: of the source topic; a pod may hold them all.
        ledger: where snapshots wait for the next owner, one window long.
        reread: fills what comes cold; None where nothing rests on it.
    """

    def __init__(
        self, spec: ConsumerSpec, partitions: int, ledger: LedgerApi, reread: Callable[[Reading], None] | None
    ) -> None:
        self._group = spec.kafka.group
        self._window = spec.filter.window
        self._ledger = ledger
        self._partitions = partitions
        self._reread = reread
        self._size = filter_size(
            spec.filter.expected_rate,
            spec.filter.window,
            spec.filter.false_positive_rate,
            spec.filter.generations,
            partitions,
        )

    @property
    def partitions(self) -> int:
        """Of the topic, as it was when the process started."""
        return self._partitions

    def load(self, partition: Partition, is_new: Callable[[Partition], bool]) -> PartitionFilter:
        """The filter of a partition that came: its last owner's, if that handed one over, else a new one.

        It is warm when no record lies between the snapshot and the position, or when the group is new. A new
        partition of an old group is not: ids may have come in another one before. What is missing is read
        again where the claim mode rests on it, and the filter is cold meanwhile.
        """
        identity = f"{self._group}/{partition.topic_id.hex()}/{partition.name.partition}"
        snapshot = self._ledger.read_snapshot(_name(partition))
        if snapshot is not None:
            try:
                restored = PartitionFilter.restore(snapshot, identity, self._size)
            except SnapshotError as error:
                log.info("filter of %s: its snapshot is not used: %s", identity, error)
            else:
                if restored.highest_offset + 1 >= partition.delivered:
                    restored.caught_up()
                    return restored
                return self._cold(identity, partition, restored, restored.highest_offset + 1)
        fresh = PartitionFilter(identity, self._size)
        if partition.name.partition >= self._partitions:
            return fresh
        if partition.delivered == 0 and is_new(partition):
            fresh.mark_warm()
            return fresh
        past = PartitionFilter(identity, self._size, since=time.monotonic() - self._window)
        return self._cold(identity, partition, past, None)

    def _cold(
        self, identity: str, partition: Partition, past: PartitionFilter, start: int | None
    ) -> PartitionFilter:
        if self._reread is None or partition.replay:  # a replay is always claimed
            return past
        self._reread(Reading(partition, past, start, partition.delivered))
        return PartitionFilter(identity, self._size)

    def keep(self, snapshots: list[tuple[Partition, bytes]]) -> None:
        """Leave snapshots for the next owners; without them a filter starts cold, which costs no event."""
        for partition, snapshot in snapshots:
            try:
                self._ledger.keep_snapshot(_name(partition), snapshot, self._window)
            except LedgerError as error:
                log.info("filter of %s: its snapshot is not kept: %s", partition.name, error)


def _name(partition: Partition) -> tuple[bytes, int]:
    return partition.topic_id, partition.name.partition
