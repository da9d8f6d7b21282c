"""Writes dead letters; a letter counts only when the in-sync replicas have it."""

import threading
from collections.abc import Callable
from typing import Any

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from doublegate.contract.connections import KafkaConnection
from doublegate.contract.deadletter import DeadLetter
from doublegate.runtime.record import Record

__all__ = ["DeadLetterWriter"]

_ROOM_FOR_HEADERS = 64 * 1024
_DELIVERY_TIMEOUT_MS = 30_000


class DeadLetterWriter:
    """An idempotent producer of dead letters.

    Args:
        kafka: where to.
        topic: the dead-letter topic.
        max_message_bytes: the source topic's limit; the letter may be 64 KiB larger.
        acknowledged: called on this writer's thread with the record and, where it could not be written, the
            error; the caller decides when to write it again.
    """

    def __init__(
        self,
        kafka: KafkaConnection,
        topic: str,
        max_message_bytes: int,
        acknowledged: Callable[[Record, str | None], None],
    ) -> None:
        self._topic = topic
        self._acknowledged = acknowledged
        self._producer = Producer(
            kafka.client_config()
            | {
                "acks": "all",
                "enable.idempotence": True,
                "delivery.timeout.ms": _DELIVERY_TIMEOUT_MS,
                "message.max.bytes": max_message_bytes + _ROOM_FOR_HEADERS,
                "linger.ms": 5,
                "partitioner": "murmur2_random",  # the Java client's: a key's letters stay together
            }
        )
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._serve, name="dead-letters", daemon=True)
        self._thread.start()

    def write(self, record: Record, letter: DeadLetter) -> None:
        """Queue one letter; never blocks."""
        message = record.message

        def delivered(error: KafkaError | None, _: Message) -> None:
            self._acknowledged(record, None if error is None else f"{error.name()}: {error.str()}")

        try:
            self._producer.produce(
                self._topic,
                value=message.value(),
                key=message.key(),
                headers=list(letter.to_headers(record.headers)),
                on_delivery=delivered,
            )
        except (BufferError, KafkaException) as error:
            self._acknowledged(record, f"{type(error).__name__}: {error}")

    def close(self, timeout: float) -> int:
        """Wait up to `timeout` seconds for what is queued; returns how many letters are unacknowledged."""
        self._stopping.set()
        self._thread.join(timeout)
        left: Any = self._producer.flush(timeout)
        return int(left)

    def _serve(self) -> None:
        while not self._stopping.is_set():
            self._producer.poll(0.1)
