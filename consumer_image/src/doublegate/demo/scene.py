"""Sets the scene: resolved resources, secrets, topics, schema, the table of the primary database."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import psycopg
import yaml
from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from doublegate.contract.resource import IdempotentConsumer, load_consumer
from doublegate.demo.watch import GroupWatch
from doublegate.schemas import Registry

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from doublegate.demo.settings import Settings
    from doublegate.local.model import Endpoints

__all__ = ["FIRST_ADDRESS", "FIRST_ORDER", "REPLAY_PARTITIONS", "Scene", "set_scene", "watch_of"]

SECRET = "postgres"  # noqa: S105 - a name
CALL_SECONDS = 30.0
CONNECT_SECONDS = 10
LARGEST_EVENT = 1 << 20
ROOM_FOR_HEADERS = 64 << 10
REPLAY_PARTITIONS = 1
"""The assignor counts all of a group alike: with as many of these, one member might get nothing else."""

FIRST_ORDER, FIRST_ADDRESS = "order-0", "Porto"
"""What the read model of the orders has from the start."""

TABLES = """
DROP TABLE IF EXISTS departures;
CREATE TABLE departures (
    place bigserial,             -- the order in which they were performed
    event_id text NOT NULL,      -- not unique: the inbox alone keeps it single
    aircraft text NOT NULL,
    sequence integer NOT NULL,
    owner text NOT NULL
);
DROP TABLE IF EXISTS orders;
CREATE TABLE orders (id text PRIMARY KEY, address text NOT NULL)
"""

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Scene:
    """What the processes of the demo share.

    Attributes:
        endpoints: the servers.
        flights: the consumer under proof, and its resolved file.
        observer: the one that only observes, and its file.
        orders: the one of the parts after the flights, and its file.
        secrets: root of the secret files.
    """

    endpoints: Endpoints
    flights: IdempotentConsumer
    flights_file: Path
    observer: IdempotentConsumer
    observer_file: Path
    orders: IdempotentConsumer
    orders_file: Path
    secrets: Path

    @property
    def kafka(self) -> dict[str, Any]:
        """Librdkafka's settings for a client."""
        return {"bootstrap.servers": self.flights.spec.kafka.bootstrap_servers}

    @property
    def database(self) -> str:
        """The connection string of PostgreSQL."""
        return self.endpoints.postgres_url or ""

    def connect(self) -> psycopg.Connection[Any]:
        """A connection to it."""
        return psycopg.connect(self.database, connect_timeout=CONNECT_SECONDS)


def set_scene(settings: Settings, endpoints: Endpoints) -> Scene:
    """Write the files and create what the servers have to hold."""
    secrets = settings.home / "secrets"
    _write_secret(secrets / SECRET / "dsn", endpoints.postgres_url or "")
    resolved: list[tuple[IdempotentConsumer, Path]] = []
    for name in ("flights.yaml", "observer.yaml", "orders.yaml"):
        consumer = resolve(load_consumer(settings.examples / name), endpoints, traces=settings.traces)
        file = settings.home / name
        file.write_text(yaml.safe_dump(consumer.model_dump(mode="json", by_alias=True, exclude_none=True)))
        resolved.append((consumer, file))
    (flights, flights_file), (observer, observer_file), (orders, orders_file) = resolved
    create_topics(flights, observer, orders)
    register_schema(flights, settings.examples / "flight.avsc")
    with psycopg.connect(endpoints.postgres_url or "", connect_timeout=int(CALL_SECONDS)) as connection:
        connection.execute(TABLES)
        connection.execute("INSERT INTO orders (id, address) VALUES (%s, %s)", (FIRST_ORDER, FIRST_ADDRESS))
    return Scene(endpoints, flights, flights_file, observer, observer_file, orders, orders_file, secrets)


def resolve(consumer: IdempotentConsumer, endpoints: Endpoints, *, traces: bool) -> IdempotentConsumer:
    """The resource with this machine's addresses in place of the cluster's; nothing else changes."""
    spec = consumer.spec
    otlp = endpoints.otlp_endpoint if traces else None
    update: dict[str, Any] = {
        "kafka": spec.kafka.model_copy(update={"bootstrap_servers": endpoints.bootstrap_servers}),
        "ledger": spec.ledger.model_copy(update={"url": endpoints.redis_url}),
        "telemetry": spec.telemetry.model_copy(update={"otlp_endpoint": otlp}),
    }
    if spec.schema_ is not None:
        update["schema_"] = spec.schema_.model_copy(update={"registry_url": endpoints.registry_url})
    return consumer.model_copy(update={"spec": spec.model_copy(update=update)})


def create_topics(*consumers: IdempotentConsumer) -> None:
    """The sources, dead letters and replays of the consumers; one that is there stays."""
    wanted: dict[str, NewTopic] = {}
    for consumer in consumers:
        kafka, spec = consumer.spec.kafka, consumer.spec
        letters = {
            "retention.ms": str(int(spec.dlq.retention * 1000)),
            "max.message.bytes": str(LARGEST_EVENT + ROOM_FOR_HEADERS),
        }
        shapes: Mapping[str, tuple[int, Mapping[str, str]]] = {
            kafka.topic: (kafka.partitions, {"max.message.bytes": str(LARGEST_EVENT)}),
            spec.dlq_topic: (kafka.partitions, letters),
            spec.replay_topic: (REPLAY_PARTITIONS, letters),
        }
        for topic, (partitions, config) in shapes.items():
            wanted[topic] = NewTopic(
                topic,
                num_partitions=partitions,
                replication_factor=kafka.replication_factor,
                config={**config, "min.insync.replicas": str(kafka.min_insync_replicas)},
            )
    with AdminClient({"bootstrap.servers": consumers[0].spec.kafka.bootstrap_servers}, logger=_log) as admin:
        for future in admin.create_topics(list(wanted.values()), operation_timeout=CALL_SECONDS).values():
            try:
                future.result(CALL_SECONDS)
            except KafkaException as error:
                if error.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:
                    raise


def register_schema(consumer: IdempotentConsumer, file: Path) -> int:
    """Register the Avro schema under the consumer's subject; returns its id."""
    schema, subject = consumer.spec.schema_, consumer.spec.schema_subject
    if schema is None or subject is None:
        raise ValueError(f"{consumer.metadata.name} has no schema section")
    registry = Registry(schema.registry_url, timeout=CALL_SECONDS)  # its JVM has answered nothing yet
    return registry.register(subject, file.read_text(), "AVRO", schema.compatibility.value)


def watch_of(scene: Scene, consumer: IdempotentConsumer) -> GroupWatch:
    """Watches a consumer's group, with its replays."""
    spec = consumer.spec
    topics = {spec.kafka.topic: spec.kafka.partitions, spec.replay_topic: REPLAY_PARTITIONS}
    return GroupWatch(scene.kafka, spec.kafka.group, topics)


def _write_secret(path: Path, value: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch(mode=0o600)
    path.write_text(value)
