"""Where one event is: its entry in the ledger, its records in Kafka, its dead letters, its trace."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from doublegate.contract.connections import KafkaConnection, RedisConnection
from doublegate.contract.errors import DoublegateError
from doublegate.contract.headers import TRACEPARENT
from doublegate.contract.identity import header_reader
from doublegate.deadletters.letters import StoredLetter, headers_of, read_letter
from doublegate.deadletters.scan import scan
from doublegate.gate.keys import Keyspace
from doublegate.gate.ledger import Ledger
from doublegate.telemetry.spans import first_header
from doublegate.telemetry.traceparent import trace_id_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from confluent_kafka import Message

    from doublegate.contract.resource import IdempotentConsumer
    from doublegate.gate.ledger_types import Entry

__all__ = ["EventReport", "Sighting", "find_event"]


@dataclass(frozen=True, slots=True)
class Sighting:
    """A record that carries the event's id.

    Attributes:
        topic: the source, or the group's replay topic.
        partition: of it.
        offset: of it.
        time: of the record, ISO 8601; empty when it has none.
        trace_id: of its `traceparent`; empty when it has none.
    """

    topic: str
    partition: int
    offset: int
    time: str
    trace_id: str


@dataclass(frozen=True)
class EventReport:
    """All that was found.

    Attributes:
        event_id: whose.
        group: the scope that was asked.
        entry: the ledger's; None when it holds none.
        records: in the source and replay topics, oldest first within a partition.
        letters: in the dead-letter topic.
        newest: how far back each partition was read, in records.
    """

    event_id: str
    group: str
    entry: Entry | None
    records: tuple[Sighting, ...]
    letters: tuple[StoredLetter, ...]
    newest: int

    @property
    def trace_id(self) -> str:
        """The event's trace; empty when no record of it was found or none carries one."""
        traces = [one.trace_id for one in self.records] + [one.trace_id or "" for one in self.letters]
        return next(filter(None, traces), "")

    def as_json(self) -> dict[str, Any]:
        """The report for machines."""
        return {
            "id": self.event_id,
            "group": self.group,
            "ledger": _entry(self.entry),
            "records": [f"{one.topic}/{one.partition}/{one.offset}" for one in self.records],
            "dead_letters": [letter.summary() for letter in self.letters],
            "trace_id": self.trace_id or None,
            "newest": self.newest,
        }


def find_event(consumer: IdempotentConsumer, event_id: str, newest: int) -> EventReport:
    """Look for an event.

    Args:
        consumer: whose group, topics and ledger are asked.
        event_id: of the event.
        newest: read the newest records of each partition, so many.

    Raises:
        DoublegateError: Something is not reachable, or ids stand in payloads.
    """
    spec = consumer.spec
    read_id = header_reader(spec.identity)
    if read_id is None:
        raise DoublegateError(
            f"inspect: ids of {consumer.metadata.name} stand in payloads, which are not searched"
        )
    wanted = event_id.encode()
    config = KafkaConnection.from_spec(spec.kafka).client_config()

    def carrying(topic: str) -> Iterator[Message]:
        found = scan(config, topic, newest=newest)
        return (message for message in found if read_id(headers_of(message)) == wanted)

    return EventReport(
        event_id=event_id,
        group=spec.kafka.group,
        entry=_ask_ledger(consumer, wanted),
        records=tuple(
            _sighting(one) for topic in (spec.kafka.topic, spec.replay_topic) for one in carrying(topic)
        ),
        letters=tuple(read_letter(message, read_id) for message in carrying(spec.dlq_topic)),
        newest=newest,
    )


def _ask_ledger(consumer: IdempotentConsumer, event_id: bytes) -> Entry | None:
    group = consumer.spec.kafka.group
    redis = RedisConnection.from_spec(consumer.spec.ledger)
    ledger = Ledger.connect(redis.url, group, **redis.kwargs)
    try:
        return ledger.inspect(Keyspace(group).key(event_id))
    finally:
        ledger.close()


def _sighting(message: Message) -> Sighting:
    kind, milliseconds = message.timestamp()
    return Sighting(
        topic=message.topic() or "",
        partition=message.partition() or 0,
        offset=message.offset() or 0,
        time=datetime.fromtimestamp(milliseconds / 1000, UTC).isoformat() if kind else "",
        trace_id=trace_id_of(first_header(headers_of(message), TRACEPARENT)),
    )


def _entry(entry: Entry | None) -> dict[str, Any] | None:
    if entry is None:
        return None
    place = entry.position
    return {
        "state": entry.state.value,
        "attempt": entry.attempt,
        "crashes": entry.crashes,
        "unknown": entry.unknown,
        "owner": entry.owner.hex() if entry.owner else None,
        "epoch": entry.epoch or None,
        "position": f"{place.partition}:{place.offset}" if place else None,
        "ttl_seconds": None if entry.ttl is None else round(entry.ttl),
    }
