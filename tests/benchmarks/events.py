"""The events: records like the demo's flights, framed Avro of about 100 bytes, and the topics they are in."""

from __future__ import annotations

import json
import random
import uuid
from typing import TYPE_CHECKING, Any

from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, NewTopic

from doublegate.contract.headers import CORRELATION_ID, TRACEPARENT
from doublegate.schemas import Encoder, Registry
from tests.benchmarks.cases import Lot
from tests.benchmarks.feed import PARTITIONS
from tests.benchmarks.job import BrokenCase

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from random import Random

__all__ = ["DUPLICATES", "create_topic", "encoder", "publish", "record", "trace_header"]

DUPLICATES = 0.9
COPIES = 10
NEAR = 2000
"""Events between two copies of one, on average, over all partitions."""
SAMPLED = 0.01
AIRCRAFT = 4000
FLUSH_SECONDS = 60.0
ADMIN_SECONDS = 30.0
SCHEMA: dict[str, Any] = {
    "type": "record",
    "name": "Flight",
    "namespace": "doublegate.bench",
    "fields": [
        {"name": "sequence", "type": "int"},
        {"name": "carrier", "type": "string"},
        {"name": "number", "type": "int"},
        {"name": "tail", "type": ["null", "string"]},
        {"name": "origin", "type": "string"},
        {"name": "destination", "type": "string"},
        {"name": "scheduled", "type": "long"},
        {"name": "departure_delay", "type": ["null", "int"]},
        {"name": "distance", "type": "int"},
        {"name": "remark", "type": "string"},
    ],
}


def record(sequence: int, rng: Random) -> dict[str, Any]:
    """One flight."""
    return {
        "sequence": sequence,
        "carrier": rng.choice(("UA", "B6", "EV", "DL", "AA")),
        "number": rng.randrange(1, 9000),
        "tail": f"N{rng.randrange(AIRCRAFT):05d}",
        "origin": rng.choice(("EWR", "JFK", "LGA")),
        "destination": rng.choice(("IAH", "MIA", "BQN", "ATL", "ORD")),
        "scheduled": 1_357_016_400_000 + sequence * 90_000,
        "departure_delay": rng.choice((None, -4, 2, 11, 33)),
        "distance": rng.randrange(80, 5000),
        "remark": f"{rng.getrandbits(224):056x}",
    }


def trace_header(rng: Random, *, sampled: bool) -> bytes:
    """A W3C traceparent."""
    return b"00-%032x-%016x-%02d" % (rng.getrandbits(128) | 1, rng.getrandbits(64) | 1, sampled)


def encoder(registry_url: str, topic: str) -> Encoder:
    """The encoder of one topic's payloads; registers the schema."""
    return Encoder(Registry(registry_url), f"{topic}-value", json.dumps(SCHEMA))


def create_topic(bootstrap: str, name: str, config: Mapping[str, str] | None = None) -> None:
    """A topic of six partitions."""
    topic = NewTopic(name, num_partitions=PARTITIONS, replication_factor=1, config=dict(config or {}))
    admin = AdminClient({"bootstrap.servers": bootstrap})
    admin.create_topics([topic])[name].result(ADMIN_SECONDS)


def publish(
    bootstrap: str, topic: str, lot: Lot, events: int, encode: Callable[[dict[str, Any]], bytes]
) -> int:
    """Fill a topic, always with the same events; returns the bytes of a payload on average.

    Raises:
        BrokenCase: when the broker did not take all of them.
    """
    rng = random.Random(2013)
    create_topic(bootstrap, topic)
    producer = Producer(
        {"bootstrap.servers": bootstrap, "linger.ms": 20, "queue.buffering.max.messages": 2 * events + 1000}
    )
    size = 0
    share = {Lot.FRESH: SAMPLED, Lot.REPEATS: SAMPLED, Lot.TRACED: 1.0}[lot]
    unique = events // COPIES if lot is Lot.REPEATS else events
    made = [_made(sequence, rng, share, encode) for sequence in range(unique)]
    for index, row in enumerate(_order(unique, rng) if lot is Lot.REPEATS else range(unique)):
        key, payload, headers = made[row]
        producer.produce(topic, key=key, value=payload, headers=headers)
        size += len(payload)
        if index % 2000 == 0:
            producer.poll(0)
    if left := producer.flush(FLUSH_SECONDS):
        raise BrokenCase(f"{left} events were not acknowledged within {FLUSH_SECONDS:.0f} s")
    return size // events


Made = tuple[bytes, bytes, list[tuple[str, str | bytes | None]]]


def _made(sequence: int, rng: Random, share: float, encode: Callable[[dict[str, Any]], bytes]) -> Made:
    value = record(sequence, rng)
    headers: list[tuple[str, str | bytes | None]] = [
        (CORRELATION_ID, uuid.UUID(int=rng.getrandbits(128), version=4).hex.encode()),
        (TRACEPARENT, trace_header(rng, sampled=rng.random() < share)),
    ]
    return value["tail"].encode(), encode(value), headers


def _order(unique: int, rng: Random) -> Iterator[int]:
    """Every row ten times, a copy about `NEAR` events after the one before."""
    places = []
    for row in range(unique):
        place = float(row * COPIES)
        for _ in range(COPIES):
            places.append((place, row))
            place += rng.uniform(0, 2 * NEAR)
    return (row for _, row in sorted(places))
