"""The filters of the partitions: sized for the whole topic, handed from owner to owner through the ledger."""

import logging

from doublegate.contract.consumer_spec import ConsumerSpec
from doublegate.contract.sizing import filter_size
from doublegate.gate.filter import PartitionFilter, SnapshotError
from doublegate.gate.ledger_errors import LedgerError
from doublegate.gate.ledger_protocol import LedgerApi
from doublegate.runtime.partition import Partition

__all__ = ["Filters"]

log = logging.getLogger(__name__)


class Filters:
    """Makes, restores and keeps filters. `load` and `keep` are for the ledger's thread.

    Args:
        spec: sizes and window.
        partitions: of the source topic; a pod may hold them all.
        ledger: where snapshots wait for the next owner, one window long.
    """

    def __init__(self, spec: ConsumerSpec, partitions: int, ledger: LedgerApi) -> None:
        self._group = spec.kafka.group
        self._window = spec.filter.window
        self._ledger = ledger
        self._size = filter_size(
            spec.filter.expected_rate,
            spec.filter.window,
            spec.filter.false_positive_rate,
            spec.filter.generations,
            partitions,
        )

    def load(self, partition: Partition) -> PartitionFilter:
        """The filter of a partition that came: its last owner's, if that handed one over, else a new one.

        It is warm when no record lies between the snapshot and the position, or before the position at all.
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
        fresh = PartitionFilter(identity, self._size)
        if partition.delivered == 0:
            fresh.mark_warm()
        return fresh

    def keep(self, snapshots: list[tuple[Partition, bytes]]) -> None:
        """Leave snapshots for the next owners; without them a filter starts cold, which costs no event."""
        for partition, snapshot in snapshots:
            try:
                self._ledger.keep_snapshot(_name(partition), snapshot, self._window)
            except LedgerError as error:
                log.info("filter of %s: its snapshot is not kept: %s", partition.name, error)


def _name(partition: Partition) -> tuple[bytes, int]:
    return partition.topic_id, partition.name.partition
