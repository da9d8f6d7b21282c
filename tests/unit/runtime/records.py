"""Messages, partitions and states for tests of the runtime's pure parts."""

from __future__ import annotations

from confluent_kafka import Message

from doublegate.gate.exact import ExactMemory
from doublegate.gate.local import LocalGate
from doublegate.runtime.lanes import Lanes
from doublegate.runtime.partition import Finished, Partition, TopicPartitionKey
from doublegate.runtime.record import Record
from doublegate.runtime.state import State

TOPIC_ID = bytes(range(200, 216))  # not UTF-8, as topic ids need not be


def message(
    offset: int,
    event_id: bytes | None = None,
    value: bytes | None = b"v",
    *,
    key: bytes | None = b"k",
    headers: list[tuple[str, bytes | None]] | None = None,
    partition: int = 0,
    topic: str = "t",
) -> Message:
    given = [*([] if event_id is None else [("correlation_id", event_id)]), *(headers or [])]
    return Message(
        topic=topic, partition=partition, offset=offset, key=key, value=value, headers=given, timestamp=(1, 5)
    )


def partition(
    number: int = 0, position: int = 0, finished: Finished | None = None, *, epoch: int = 1
) -> Partition:
    made = Partition(TopicPartitionKey("t", number), TOPIC_ID, position, finished)
    made.epoch, made.active = epoch, True
    return made


def record(of: Partition, offset: int, lane: int = 0) -> Record:
    given = message(offset, b"e%d" % offset)
    key = b"%d/%d" % (of.name.partition, offset)
    return Record(
        of, offset, given, given.headers() or [], b"e%d" % offset, key.rjust(16), bytes(8), lane, 10, False
    )


def state(lanes: int = 4, *, conflicts: bool = True) -> State:
    return State(LocalGate("g", ExactMemory(1024), conflicts=conflicts), Lanes(lanes))
