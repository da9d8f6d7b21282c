"""Reads a topic, or a part of it, up to where it ends now: no group, no commits, a deadline."""

from __future__ import annotations

import logging
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition
from tenacity import Retrying, retry_if_exception, stop_after_delay, wait_fixed

from doublegate.contract.errors import DoublegateError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from confluent_kafka import Message

__all__ = ["TopicUnreadable", "scan", "topic_bounds"]

BATCH = 1000
POLL_SECONDS = 0.5
CALL_SECONDS = 10.0
RETRY_SECONDS = 0.2
SILENCE_SECONDS = 30.0
"""No record and no end of a partition for so long: the broker is away."""

_log = logging.getLogger(__name__)


class TopicUnreadable(DoublegateError):
    """A topic does not exist, or its broker does not answer."""


def topic_bounds(config: Mapping[str, Any], topic: str) -> dict[int, tuple[int, int]]:
    """First and next offset of each partition, now.

    Raises:
        TopicUnreadable: With the topic's name and the broker's words.
    """
    with _reader(config, topic) as reader:
        return _bounds(reader, topic)


def scan(
    config: Mapping[str, Any],
    topic: str,
    *,
    start: Mapping[int, int] | None = None,
    newest: int | None = None,
) -> Iterator[Message]:
    """Every record that the topic holds now, in order within each partition.

    Args:
        config: librdkafka's settings for a client.
        topic: what to read.
        start: offsets to begin at, by partition; the earliest where absent.
        newest: read at most so many of each partition, the newest ones.

    Raises:
        TopicUnreadable: It is not there, or nothing came for 30 seconds.
    """
    with _reader(config, topic) as reader:
        todo: dict[int, int] = {}
        assignment = []
        for partition, (low, high) in _bounds(reader, topic).items():
            first = max(low, (start or {}).get(partition, low), low if newest is None else high - newest)
            if first < high:
                todo[partition] = high
                assignment.append(TopicPartition(topic, partition, first))
        reader.assign(assignment)
        yield from _read(reader, topic, todo)


def _read(reader: Consumer, topic: str, todo: dict[int, int]) -> Iterator[Message]:
    heard = time.monotonic()
    while todo:
        for message in reader.consume(BATCH, POLL_SECONDS):
            partition, offset = message.partition(), message.offset()
            if (error := message.error()) is not None:
                if error.code() == KafkaError._PARTITION_EOF:  # noqa: SLF001 - how the client names it
                    todo.pop(partition or 0, None)
                elif not error.retriable() and error.fatal():
                    raise TopicUnreadable(f"topic {topic}: {error.str()}")
                continue
            heard = time.monotonic()
            if partition is None or offset is None or partition not in todo:
                continue
            if offset < todo[partition]:
                yield message
            if offset + 1 >= todo[partition]:
                del todo[partition]
        if todo and time.monotonic() - heard > SILENCE_SECONDS:
            raise TopicUnreadable(
                f"topic {topic}: nothing came for {SILENCE_SECONDS:.0f} s from partitions {sorted(todo)}; "
                "is the broker up and may this user read the topic?"
            )


@contextmanager
def _reader(config: Mapping[str, Any], topic: str) -> Iterator[Consumer]:
    settings = {
        **config,
        "group.id": f"doublegate.scan.{topic}",  # the client wants one; nothing is committed under it
        "enable.auto.commit": False,
        "enable.auto.offset.store": False,
        "enable.partition.eof": True,
        "isolation.level": "read_committed",
        "auto.offset.reset": "earliest",
    }
    reader = Consumer(settings, logger=_log)
    try:
        yield reader
    finally:
        reader.close()


def _bounds(reader: Consumer, topic: str) -> dict[int, tuple[int, int]]:
    attempts = Retrying(
        retry=retry_if_exception(_passes),
        wait=wait_fixed(RETRY_SECONDS),
        stop=stop_after_delay(CALL_SECONDS),
        reraise=True,
    )
    try:
        found: dict[int, tuple[int, int]] = attempts(_ask_bounds, reader, topic)
    except KafkaException as error:
        raise TopicUnreadable(f"topic {topic} can't be read: {error.args[0].str()}") from error
    return found


def _ask_bounds(reader: Consumer, topic: str) -> dict[int, tuple[int, int]]:
    described = reader.list_topics(topic, timeout=CALL_SECONDS).topics[topic]
    if described.error is not None:
        raise KafkaException(described.error)
    bounds = {}
    for partition in described.partitions:
        offsets = reader.get_watermark_offsets(TopicPartition(topic, partition), timeout=CALL_SECONDS)
        if offsets is None:
            raise TopicUnreadable(
                f"topic {topic}: partition {partition} did not answer in {CALL_SECONDS:.0f} s"
            )
        bounds[partition] = offsets
    return bounds


def _passes(error: BaseException) -> bool:
    """Whether it is a partition on its way to a leader, as right after its topic was made."""
    return isinstance(error, KafkaException) and error.args[0].code() in {
        KafkaError.NOT_LEADER_FOR_PARTITION,
        KafkaError.LEADER_NOT_AVAILABLE,
    }
