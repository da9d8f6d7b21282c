"""From the client's messages to records: headers, positions, the local gate."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from operator import attrgetter
from typing import cast

from confluent_kafka import Message

from doublegate.contract.deadletter import DeadLetterReason
from doublegate.contract.headers import Headers
from doublegate.contract.identity import IdProblem
from doublegate.contract.kafka_spec import Ordering
from doublegate.contract.resource import Mode
from doublegate.contract.states import Gate
from doublegate.gate.keys import Keyspace
from doublegate.gate.local import Screened
from doublegate.runtime.outcome import rejected
from doublegate.runtime.partition import Finished, Partition
from doublegate.runtime.record import Record
from doublegate.runtime.reprocess import Order, keyspace_of, order_in
from doublegate.runtime.state import State

__all__ = ["CONFLICT", "Intake", "Taken"]

CONFLICT = "the same id came with another payload; give one of them an id of its own"
_RECORD_OVERHEAD = 512
"""Bytes that a message costs the process beside its payload: headers, the client's struct, the record."""


@dataclass(slots=True)
class Taken:
    """What became of a batch of one partition.

    Attributes:
        records: to be claimed, in order.
        conflicts: to be dead-lettered without a claim.
        shadows: to wait until what is in flight under their id has ended: delivered again while a worker
            still has that record, from before a rebalance, or (None) a replay.
        duplicates: rejected here, by gate.
        example: the event id of one duplicate, for the log.
    """

    records: list[Record] = field(default_factory=list)
    conflicts: list[Record] = field(default_factory=list)
    shadows: list[tuple[Record, Record | None]] = field(default_factory=list)
    duplicates: dict[Gate, int] = field(default_factory=dict)
    example: bytes = b""

    def count(self, gate: Gate, rows: Sequence[int], ids: Sequence[bytes]) -> None:
        """These rows were rejected by `gate`."""
        if rows:
            self.duplicates[gate] = self.duplicates.get(gate, 0) + len(rows)
            self.example = ids[rows[0]]


class Intake:
    """Turns batches into records; one engine thread owns it.

    Args:
        read_id: reads the event id out of a record's headers, or says why there is none.
        explain: words an id's problem for the dead letter.
        state: the local gate, the lanes, and what still runs from before a rebalance.
        ordering: what shares a lane.
        mode: Observe counts what it would reject, and rejects nothing.
        proof: seconds that a filter must cover for its miss to prove that an id is new; None where every
            event is claimed.
        order: what runs again on purpose, if there is such.
    """

    def __init__(
        self,
        read_id: Callable[[Headers | None], bytes | IdProblem],
        explain: Callable[[IdProblem], str],
        state: State,
        ordering: Ordering,
        mode: Mode,
        proof: float | None = None,
        order: Order | None = None,
    ) -> None:
        self._read_id = read_id
        self._explain = explain
        self._state = state
        self._lanes = len(state.lanes)
        self._ordering = ordering
        self._observe = mode is Mode.OBSERVE
        self._proof = proof
        self._order = order
        self._keyspaces = {} if order is None else {order.name: order.keyspace}

    def order_of(self, partition: Partition, message: Message) -> str:
        """The order that a message runs again under; empty for none."""
        if partition.replay:
            return order_in(cast("Headers", message.headers() or []))
        again = partition.again
        return (
            self._order.name if self._order is not None and again and (message.offset() or 0) in again else ""
        )

    def take(self, partition: Partition, messages: Sequence[Message], order: str = "") -> Taken:
        """Screen one partition's messages, in delivery order; the partition's bookkeeping follows.

        Args:
            partition: theirs.
            messages: all of the same order.
            order: that they run again under; empty for none.
        """
        taken = Taken()
        offsets = cast("list[int]", [m.offset() for m in messages])
        first = offsets[0]
        if first < partition.delivered or first <= partition.watermark or partition.finished_before:
            messages, offsets = self._skip_finished(partition, messages, offsets, taken, again=bool(order))
            if not messages:
                return taken
        headers = cast("list[Headers]", [m.headers() or [] for m in messages])
        ids, problems = self._identify(partition, headers, offsets)
        seen = None if order else partition.seen
        highest = seen.highest_offset if seen is not None else offsets[-1]
        payloads = [m.value() for m in messages]
        screened = self._state.local.screen(ids, payloads, seen, offsets[-1], self._keyspace(order))
        rows = _Rows(partition, messages, headers, offsets, ids, screened, self._lane)
        taken.records = rows.records(screened.fresh)
        if screened.suspected:
            suspected = set(screened.suspected)
            for row, record in zip(screened.fresh, taken.records, strict=True):
                record.suspected = row in suspected
        if order:
            for record in taken.records:
                record.order = order
        else:
            self._prove(partition, taken.records, highest)
        for record in taken.records if problems else ():
            if (problem := problems.get(record.offset)) is not None:
                record.result = rejected(self._explain(problem), DeadLetterReason.POISON)
                record.proven = False
        self._reject(rows, taken)
        partition.delivered = max(partition.delivered, offsets[-1] + 1)  # the last ones may have been skipped
        extra = [*taken.conflicts, *(shadow for shadow, _ in taken.shadows)]
        partition.pending.extend(_by_offset([*taken.records, *extra]) if extra else taken.records)
        return taken

    def _prove(self, partition: Partition, records: Sequence[Record], highest: int) -> None:
        """Mark what the filter proves to be new, now that it holds the whole batch.

        Not proven is what was read before, what a former owner may have started, and what the ledger may
        have lost.
        """
        seen = partition.seen
        if self._proof is None or seen is None or partition.replay or not seen.covers(self._proof):
            return
        unsure = max(highest, partition.granted_before, partition.doubt_end - 1)
        for record in records:
            record.proven = not record.suspected and record.offset > unsure

    def _identify(
        self, partition: Partition, headers: Sequence[Headers], offsets: Sequence[int]
    ) -> tuple[list[bytes], dict[int, IdProblem]]:
        """The ids, and by offset what is wrong with those that have none and are known by their position."""
        read_id = self._read_id
        found = [read_id(h) for h in headers]
        problems = {offsets[row]: one for row, one in enumerate(found) if isinstance(one, IdProblem)}
        ids = [
            _position_id(partition, offsets[row]) if isinstance(one, IdProblem) else one
            for row, one in enumerate(found)
        ]
        return ids, problems

    def _reject(self, rows: "_Rows", taken: Taken) -> None:
        """Deal with the rows that are not fresh."""
        screened = rows.screened
        shadows = self._shadows(rows, [*screened.inflight, *screened.conflicts])
        inflight = [row for row in screened.inflight if row not in shadows]
        conflicts = [row for row in screened.conflicts if row not in shadows]
        if rows.partition.replay:  # a replay is no duplicate of what it replays, which may be about to fail
            shadows |= dict.fromkeys(inflight)
            inflight = []
        for row, running in shadows.items():
            taken.shadows.append((rows.record(row), running))
        taken.count(Gate.MEMORY, screened.remembered, rows.ids)
        taken.count(Gate.INFLIGHT, inflight, rows.ids)
        if self._observe:  # everything passes, and only what is fresh asks the ledger
            passing = rows.records([*screened.remembered, *inflight, *conflicts])
            taken.records = _by_offset([*taken.records, *passing])
        else:
            passing = taken.conflicts = rows.records(conflicts)
            for record in passing:
                record.result = rejected(CONFLICT, DeadLetterReason.CONFLICT)
        for record in passing:
            record.claimless = True

    def _shadows(self, rows: "_Rows", suspects: Sequence[int]) -> dict[int, Record | None]:
        """The same position, still with a worker, is no duplicate: it must not be passed before it ended."""
        elsewhere = self._state.running_elsewhere
        if not elsewhere:
            return {}
        found = ((row, elsewhere.get((rows.partition.name, rows.offsets[row]))) for row in suspects)
        return {row: running for row, running in found if running is not None}

    def _lane(self, partition: Partition, message: Message, key: bytes) -> int:
        if self._ordering is Ordering.KEY:
            return hash(message.key() or key) % self._lanes
        if self._ordering is Ordering.PARTITION:
            return hash(partition.name) % self._lanes
        return hash(key) % self._lanes

    def _keyspace(self, order: str) -> Keyspace | None:
        if not order:
            return None
        if order not in self._keyspaces:  # a replay of an order that the resource no longer names
            self._keyspaces[order] = keyspace_of(self._state.local.scope, order)
        return self._keyspaces[order]

    def _skip_finished(
        self,
        partition: Partition,
        messages: Sequence[Message],
        offsets: Sequence[int],
        taken: Taken,
        *,
        again: bool,
    ) -> tuple[list[Message], list[int]]:
        """Leave out what is proven finished by its position."""
        kept: list[Message] = []
        kept_offsets: list[int] = []
        for message, offset in zip(messages, offsets, strict=True):
            if offset < partition.delivered:
                continue  # a stale delivery from before a seek
            if again and not partition.replay:
                kept.append(message)
                kept_offsets.append(offset)
                continue
            if offset <= partition.watermark:
                gate = Gate.WATERMARK
            elif offset in partition.finished_before:
                gate = Gate.COMMIT
            else:
                kept.append(message)
                kept_offsets.append(offset)
                continue
            taken.duplicates[gate] = taken.duplicates.get(gate, 0) + 1
            if self._observe:
                kept.append(message)
                kept_offsets.append(offset)
        partition.delivered = max(partition.delivered, offsets[-1] + 1)
        if partition.finished_before and partition.delivered >= partition.finished_before.end:
            partition.finished_before = Finished()
        return kept, kept_offsets


class _Rows:
    """A batch in columns, and the records of its rows, made only where they are needed."""

    def __init__(
        self,
        partition: Partition,
        messages: Sequence[Message],
        headers: Sequence[Headers],
        offsets: Sequence[int],
        ids: Sequence[bytes],
        screened: Screened,
        lane: Callable[[Partition, Message, bytes], int],
    ) -> None:
        self.partition = partition
        self.offsets = offsets
        self.ids = ids
        self.screened = screened
        self._messages = messages
        self._headers = headers
        self._lane = lane

    def records(self, rows: Sequence[int]) -> list[Record]:
        """The records of `rows`, in their order."""
        return list(map(self.record, rows))

    def record(self, row: int) -> Record:
        """The record of one row."""
        partition, message, key = self.partition, self._messages[row], self.screened.keys[row]
        return Record(
            partition,
            self.offsets[row],
            message,
            self._headers[row],
            self.ids[row],
            key,
            self.screened.digests[row],
            self._lane(partition, message, key),
            len(message) + _RECORD_OVERHEAD,
            partition.replay,
        )


def _by_offset(records: Sequence[Record]) -> list[Record]:
    return sorted(records, key=attrgetter("offset"))


def _position_id(partition: Partition, offset: int) -> bytes:
    """The id of a record without a usable one: where it stands. The NUL keeps it apart from sent ids."""
    return b"\0position\0%b/%d/%d" % (partition.topic_id.hex().encode(), partition.name.partition, offset)
