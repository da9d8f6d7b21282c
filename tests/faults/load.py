"""Sends a schedule's events, each at its time, and keeps what the brokers acknowledged."""

from __future__ import annotations

import json
import logging
import threading
import time
from typing import TYPE_CHECKING, Any

from confluent_kafka import KafkaException, Producer

from doublegate.schemas import Encoder, Registry
from tests.faults.handlers import Kind, kind_of
from tests.faults.history import Sent

if TYPE_CHECKING:
    from collections.abc import Mapping

    from confluent_kafka import KafkaError, Message

    from tests.faults.plan import Event, Schedule

__all__ = ["Load"]

SCHEMA = '{"type": "record", "name": "Event", "fields": [{"name": "number", "type": "int"}]}'
ABORT_SECONDS = 20.0
_log = logging.getLogger(__name__)


class Load:
    """The producer and its thread.

    Args:
        schedule: what to send.
        client: librdkafka's settings.
        topic: where to.
        registry: the registry's URL where payloads are Avro.
    """

    def __init__(
        self, schedule: Schedule, client: Mapping[str, Any], topic: str, registry: str | None
    ) -> None:
        self._schedule = schedule
        self._topic = topic
        self._client = client
        self._producer = Producer(
            {**client, "enable.idempotence": True, "linger.ms": 2, "partitioner": "murmur2_random"},
            logger=_log,
        )
        self._encode = Encoder(Registry(registry), f"{topic}-value", SCHEMA) if registry else _as_json
        self._sent: list[Sent] = []
        self._failed: list[str] = []
        self.aborted: set[str] = set()
        self._thread = threading.Thread(target=self._send, daemon=True)
        self.began = 0.0

    def start(self) -> None:
        """Begin."""
        self.began = time.monotonic()
        self._thread.start()

    def finish(self, timeout: float) -> None:
        """Wait until all is acknowledged."""
        self._thread.join(timeout)
        assert not self._thread.is_alive(), "the load did not end in time"
        left = self._producer.flush(timeout)
        assert not left, f"{left} events were not acknowledged"
        assert not self._failed, self._failed[:3]

    def sent(self) -> list[Sent]:
        """What the brokers have."""
        return sorted(self._sent, key=lambda record: (record.partition, record.offset))

    def _send(self) -> None:
        try:
            self._send_all()
        except KafkaException as error:  # such a run says nothing: its half would pass for the whole
            self._failed.append(f"the load ended early: {error}")

    def _send_all(self) -> None:
        half = len(self._schedule.events) // 2
        for place, event in enumerate(self._schedule.events):
            while (wait := self.began + event.at - time.monotonic()) > 0:
                self._producer.poll(min(wait, 0.1))
            if place == half and self._schedule.aborted:
                self._abort()
            self._produce(event)
        self._producer.flush(1.0)

    def _produce(self, event: Event) -> None:
        headers = [
            ("correlation_id", event.id.encode()),
            ("traceparent", f"00-{event.number + 1:032x}-{event.number + 1:016x}-00".encode()),
            ("shop", b"\x00\xff"),
        ]

        def delivered(error: KafkaError | None, message: Message) -> None:
            if error is not None:
                self._failed.append(f"{event.id}: {error.str()}")
                return
            place = message.partition(), message.offset()
            self._sent.append(Sent(event.id, event.key, event.number, *place, tuple(headers)))

        value = b"\xff broken" if kind_of(event.id) is Kind.BROKEN else self._encode({"number": event.number})
        self._producer.produce(self._topic, value, event.key.encode(), headers=headers, on_delivery=delivered)
        self._producer.poll(0)

    def _abort(self) -> None:
        """Events of a transaction that is given up: nobody may see them."""
        settings = {**self._client, "transactional.id": f"{self._topic}-aborts"}
        producer = Producer(settings, logger=_log)
        producer.init_transactions(ABORT_SECONDS)
        producer.begin_transaction()
        for number in range(self._schedule.aborted):
            event_id = f"aborted-{number}-n"
            self.aborted.add(event_id)
            headers = [("correlation_id", event_id.encode())]
            producer.produce(self._topic, _as_json({"number": number}), b"aborted", headers=headers)
        producer.flush(ABORT_SECONDS)
        producer.abort_transaction(ABORT_SECONDS)


def _as_json(value: dict[str, Any]) -> bytes:
    return json.dumps(value).encode()
