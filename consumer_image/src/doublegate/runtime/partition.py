"""One assigned partition: which records are unfinished, and how far the commit may go.

Pure bookkeeping. Everything delivered and not in `pending` is finished, so the commit is the first pending
offset, in delivery order (transaction markers and compaction leave gaps in the offsets themselves).
"""

import base64
import math
import time
from bisect import bisect_right
from collections import deque
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

from doublegate.contract.wire_bytes import varint

if TYPE_CHECKING:
    from confluent_kafka import Message

    from doublegate.gate.filter import PartitionFilter
    from doublegate.runtime.record import Record

__all__ = [
    "METADATA_LIMIT",
    "Finished",
    "Partition",
    "TopicPartitionKey",
    "decode_finished",
    "decode_metadata",
    "encode_finished",
    "encode_metadata",
    "gaps",
]

_PATIENCE_SECONDS = 10.0
METADATA_LIMIT = 3800
"""Bytes of commit metadata that brokers store by default (offset.metadata.max.bytes, 4096), less a margin."""
_PREFIX = "dg1:"
"""What another program left there must not be read as finished offsets."""
_DATA_LENGTH = 8
"""Characters of the ledger's name for its data that a commit keeps."""


class TopicPartitionKey(NamedTuple):
    """A partition's name."""

    topic: str
    partition: int


class Finished:
    """Finished offsets above a commit, as ranges: a compacted topic's may span millions.

    Args:
        ranges: (first, one past the last), ascending and apart.
    """

    def __init__(self, ranges: Iterable[tuple[int, int]] = ()) -> None:
        self._ranges = list(ranges)
        self._starts = [start for start, _ in self._ranges]

    def __bool__(self) -> bool:
        return bool(self._ranges)

    def __contains__(self, offset: int) -> bool:
        index = bisect_right(self._starts, offset) - 1
        return index >= 0 and offset < self._ranges[index][1]

    def above(self, offset: int) -> list[tuple[int, int]]:
        """What is left of the ranges from `offset` on."""
        return [(max(start, offset), end) for start, end in self._ranges if end > offset]

    @property
    def end(self) -> int:
        """One past the highest."""
        return self._ranges[-1][1] if self._ranges else 0


class Partition:
    """The unfinished records of one assignment.

    A partition that is assigned anew is a new object: records of the old one can never move its commit.

    Args:
        name: topic and partition.
        topic_id: the topic's uuid, 16 bytes.
        position: offset that the client delivers next.
        finished: offsets above the commit that an earlier owner had finished, from the commit's metadata.
        replay: it belongs to the group's replay topic.
    """

    def __init__(
        self,
        name: TopicPartitionKey,
        topic_id: bytes,
        position: int,
        finished: Finished | None = None,
        *,
        replay: bool = False,
    ) -> None:
        self.name = name
        self.topic_id = topic_id
        self.replay = replay
        self.delivered = position
        """Next offset to be delivered: everything below it was."""
        self.finished_before = finished or Finished()
        self.pending: deque[Record] = deque()
        self.epoch = 0
        self.doubt_end = -math.inf
        """Offsets below it may have been DONE although the ledger says new: it lost data since the commit."""
        self.watermark = -1
        """Highest contiguous finished offset that the ledger knows; at or below it is a proven duplicate."""
        self.granted_before = -1
        """An earlier owner may have started what is up to here: what the ledger calls new is unknown."""
        self.grant = -1
        """Highest offset that the ledger lets us start without a claim."""
        self.asked_grant = False
        """A grant was asked for, and may stand in the ledger although nobody has answered yet."""
        self.active = False
        """Its epoch is taken and confirmed: its events may start."""
        self.early: list[Message] = []
        """What was delivered before it was active."""
        self.heard = time.monotonic()
        """When the client delivered something last."""
        self.patience = _PATIENCE_SECONDS
        """Seconds of silence after which the client is told again where to read."""
        self.again = Finished()
        """What an order lets run again on purpose, and is not done."""
        self.seeking = False
        """The client is being sent back: what it still delivers is from before that."""
        self.revoked = False
        self.committed_under = ""
        """The ledger's data that the last commit names, until it was compared."""
        self.seen: PartitionFilter | None = None
        self.committed = position
        self.committed_metadata = ""
        self.crowded = False
        """Its finished offsets hardly fit the commit's metadata: start nothing new above the gap."""

    def advance(self) -> int:
        """Drop what is finished at the head; returns the offset to commit."""
        pending = self.pending
        while pending and pending[0].finished:
            pending.popleft()
        return pending[0].offset if pending else self.delivered

    def silent(self, end: int, now: float) -> bool:
        """Whether the client should have delivered more, and has not for long; each time twice as long.

        Transaction markers at the log's end look the same, so what follows must do no harm.
        """
        if end <= self.delivered or now - self.heard < self.patience:
            return False
        self.heard = now
        self.patience *= 2
        return True

    def metadata(self, data: str) -> str:
        """The commit's metadata: the ledger's data that it was made under, and what is finished above it.

        What the earlier owner had finished and is not delivered yet stays in it. Sets `crowded` when they
        hardly fit; what does not fit is left out from the end, which costs a re-read only.
        """
        unfinished = [record.offset for record in self.pending if not record.finished]
        commit = unfinished[0] if unfinished else self.delivered
        before = self.finished_before
        ranges = gaps(unfinished, self.delivered)
        if before:
            ranges += before.above(self.delivered)
        text, cut = encode_finished(commit, ranges)
        self.crowded = cut or len(text) > METADATA_LIMIT * 3 // 4
        return encode_metadata(data, text)


def gaps(unfinished: Sequence[int], delivered: int) -> list[tuple[int, int]]:
    """The ranges between unfinished offsets, and from the last of them to `delivered`: what is finished."""
    return [(a + 1, b) for a, b in pairwise([*unfinished, delivered]) if b > a + 1]


def encode_finished(commit: int, ranges: Iterable[tuple[int, int]]) -> tuple[str, bool]:
    """Run lengths of unfinished and finished offsets from the commit on, as base64 of varints.

    Args:
        commit: the offset to commit.
        ranges: finished offsets above it, (first, one past the last), ascending.

    Returns:
        The text, empty when nothing above the commit is finished, and whether it was cut to fit.
    """
    room = (METADATA_LIMIT - len(_PREFIX) - _DATA_LENGTH - 1) // 4 * 3
    data = bytearray()
    offset = commit
    for start, end in ranges:
        runs = varint(start - offset) + varint(end - start)
        if len(data) + len(runs) > room:
            return _text(data), True
        data += runs
        offset = end
    return _text(data), False


def encode_metadata(data: str, finished: str) -> str:
    """What a commit says beside its offset: `dg1:<ledger's data>:<finished offsets>`."""
    return f"{_PREFIX}{data[:_DATA_LENGTH]}:{finished}"


def decode_metadata(commit: int, metadata: str) -> tuple[str, Finished]:
    """The inverse: the ledger's data, and the finished offsets; another program's metadata counts as none."""
    if not metadata.startswith(_PREFIX):
        return "", Finished()
    data, _, text = metadata[len(_PREFIX) :].partition(":")
    return data, decode_finished(commit, text)


def decode_finished(commit: int, text: str) -> Finished:
    """The inverse of `encode_finished`; what is none counts as nothing finished."""
    try:
        runs = _varints(base64.b64decode(text, validate=True))
    except ValueError:
        return Finished()
    ranges: list[tuple[int, int]] = []
    offset = commit
    for skipped, length in zip(runs[::2], runs[1::2], strict=False):
        start = offset + skipped
        offset = start + length
        ranges.append((start, offset))
    return Finished(ranges)


def _text(data: bytes | bytearray) -> str:
    return base64.b64encode(data).decode()


def _varints(data: bytes) -> list[int]:
    values: list[int] = []
    value = shift = 0
    for byte in data:
        value |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            values.append(value)
            value = shift = 0
        elif shift > 63:
            raise ValueError("not a varint of 64 bits")
    if shift:
        raise ValueError("cut short")
    return values
