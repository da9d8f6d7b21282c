"""Where the poller's batches come in: to their partitions, through the local gate, into the reservoir."""

import logging
import time
from collections.abc import Iterator, Mapping
from itertools import groupby

from confluent_kafka import Message

from doublegate.contract.states import Decision, Gate
from doublegate.runtime.intake import Intake, Taken
from doublegate.runtime.letters import Letters
from doublegate.runtime.mailbox import Timers
from doublegate.runtime.partition import Partition, TopicPartitionKey
from doublegate.runtime.record import Record, Stage
from doublegate.runtime.report import Report
from doublegate.runtime.state import State

__all__ = ["Arrivals"]

log = logging.getLogger(__name__)

_FOLLOW_SECONDS = 0.1


class Arrivals:
    """Takes batches in; the engine's thread only."""

    def __init__(
        self, state: State, intake: Intake, letters: Letters, report: Report, timers: Timers
    ) -> None:
        self._state = state
        self._intake = intake
        self._letters = letters
        self._report = report
        self._timers = timers
        self._waiting: list[Partition] = []

    def arrive(self, messages: list[Message]) -> int:
        """Take a batch in; returns how many messages are dealt with, the others wait for `admit_early`."""
        dealt_with = 0
        now = time.monotonic()
        for (topic, number), group in groupby(messages, key=lambda m: (m.topic(), m.partition())):
            batch = list(group)
            partition = self._state.partitions.get(TopicPartitionKey(topic, number))
            if partition is None or partition.revoked or partition.seeking:
                dealt_with += len(batch)  # of a stale assignment: the owner reads it again
                continue
            partition.heard = now
            if partition.active and not partition.early:
                self._take(partition, batch)
                dealt_with += len(batch)
                continue
            if not partition.early:
                self._waiting.append(partition)
            partition.early += batch
        return dealt_with

    def admit_early(self) -> int:
        """Take in what came before its partition was active; returns how many messages that were."""
        if not self._waiting:
            return 0
        dealt_with = 0
        for partition in self._waiting:
            if partition.active or partition.revoked:
                batch, partition.early = partition.early, []
                dealt_with += len(batch)
                if not (partition.revoked or partition.seeking):
                    self._take(partition, batch)
        self._waiting = [p for p in self._waiting if p.early]
        return dealt_with

    def silences(
        self, ends: Mapping[TopicPartitionKey, int], now: float
    ) -> Iterator[tuple[TopicPartitionKey, int]]:
        """Partitions of which the client delivers nothing although there is more, and where it should go on.

        A client may forget to resume a partition (librdkafka#5591); a seek to where it stands mends that.

        Args:
            ends: the logs' ends.
            now: monotonic seconds.
        """
        for name, partition in self._state.partitions.items():
            if partition.active and not partition.early and partition.silent(ends.get(name, 0), now):
                log.info("%s[%d]: nothing came for long; reading on from %d", *name, partition.delivered)
                yield name, partition.delivered

    def _take(self, partition: Partition, batch: list[Message]) -> None:
        for order, part in groupby(batch, key=lambda m: self._intake.order_of(partition, m)):
            self._take_alike(partition, list(part), order)

    def _take_alike(self, partition: Partition, batch: list[Message], order: str) -> None:
        taken = self._intake.take(partition, batch, order)
        self._state.admit(taken.records)
        self._state.admit(taken.conflicts)
        self._state.lanes.arrive(taken.records)
        self._hold_shadows(taken)
        for gate, n in taken.duplicates.items():
            self._report.decided(Decision.DUPLICATE, gate, n, taken.example)
        for record in taken.conflicts:
            self._letters.write(record, record.result.reason, record.result.error)  # type: ignore[union-attr]

    def _hold_shadows(self, taken: Taken) -> None:
        for shadow, running in taken.shadows:
            self._state.admit([shadow])
            if running is not None:  # a replay must not hold up its own lane, where what it waits for may be
                self._state.lanes.block(shadow)
            self._follow(shadow, running)

    def _follow(self, shadow: Record, running: Record | None) -> None:
        """Let a record wait for what is in flight under its id.

        It ends as the same record of before a rebalance does (`running`), or asks the ledger after all.
        """
        inflight = self._state.local.inflight
        if running is None:
            over = shadow.key not in inflight
        else:
            over = running.finished or running.stage is Stage.DROPPED
        if not over and shadow.stage is not Stage.DROPPED:
            self._timers.after(_FOLLOW_SECONDS, self._follow, shadow, running)
            return
        if running is not None:
            self._state.lanes.unblock(shadow)
        if shadow.stage is Stage.DROPPED:
            return
        if running is not None and running.finished:
            self._state.finish([shadow])
            self._report.decided(Decision.DUPLICATE, Gate.INFLIGHT, 1, shadow.event_id)
        else:
            inflight[shadow.key] = shadow.digest
            self._state.lanes.requeue([shadow])
