"""One set of real servers for the whole session; each test works in a corner of its own."""

from __future__ import annotations

import logging
import os
import uuid
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Protocol

import psycopg
import pytest
import redis
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from doublegate.local.model import Endpoints, Service
from doublegate.local.stack import Stack
from doublegate.local.valkey_cluster import ValkeyCluster
from tests.consumers import Group
from tests.helpers import eventually

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

QUICK = (Service.KAFKA, Service.VALKEY, Service.REGISTRY, Service.POSTGRES)
ADMIN_SECONDS = 30


def _traces_off() -> bool:
    return os.environ.get("TRACES") == "off"


def pytest_collection_finish(session: pytest.Session) -> None:
    """Download and build before the first test, whose deadline this would break."""
    wanted = {name for item in session.items for name in getattr(item, "fixturenames", ())}
    services = [*(QUICK if "stack" in wanted else ())]
    if "jaeger" in wanted and not _traces_off():
        services.append(Service.JAEGER)
    terminal: Any = session.config.pluginmanager.get_plugin("terminalreporter")
    if services and not session.config.option.collectonly:
        home = session.config.rootpath  # nothing is written there, only looked at for free space
        Stack(home, services, lambda line: terminal.write_line(f"servers: {line}")).install()


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Kafka, Valkey, registry and PostgreSQL; a test that hurts one of them heals it again."""
    with Stack(tmp_path_factory.mktemp("stack"), QUICK) as running:
        yield running


@pytest.fixture(scope="session")
def endpoints(stack: Stack) -> Endpoints:
    """Where the session's servers answer."""
    return stack.endpoints


@pytest.fixture(scope="session")
def jaeger(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Endpoints]:
    """A Jaeger: `otlp_endpoint` takes spans, `jaeger_url` answers queries."""
    if _traces_off():
        pytest.skip("TRACES=off: nothing that needs a real Jaeger is tested")
    with Stack(tmp_path_factory.mktemp("jaeger"), [Service.JAEGER]) as running:
        yield running.endpoints


@pytest.fixture(scope="session")
def valkey_cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ValkeyCluster]:
    """Three masters; empty before a test only if the test sees to it."""
    with ValkeyCluster(tmp_path_factory.mktemp("cluster")) as cluster:
        yield cluster


class TopicFactory(Protocol):
    """Creates a topic of its own name and returns the name."""

    def __call__(self, *, partitions: int = 1, config: Mapping[str, str] | None = None) -> str: ...


@pytest.fixture(scope="session")
def kafka_admin(endpoints: Endpoints) -> AdminClient:
    """An admin client of the session's Kafka."""
    config: dict[str, str | int | float | bool] = {"bootstrap.servers": str(endpoints.bootstrap_servers)}
    return AdminClient(config, logger=logging.getLogger(__name__))  # or it writes to the terminal


def _has_leaders(admin: AdminClient, name: str, partitions: int) -> bool:
    """Whether the broker tells of the topic by now: it does some time after it acknowledged it."""
    topic = admin.list_topics(name, timeout=ADMIN_SECONDS).topics[name]
    return len(topic.partitions) == partitions and all(p.leader >= 0 for p in topic.partitions.values())


@pytest.fixture
def topic_factory(kafka_admin: AdminClient) -> Iterator[TopicFactory]:
    """Topics that end with the test."""
    made: list[str] = []

    def make(*, partitions: int = 1, config: Mapping[str, str] | None = None) -> str:
        name = f"t-{uuid.uuid4().hex[:12]}"
        topic = NewTopic(name, num_partitions=partitions, replication_factor=1, config=dict(config or {}))
        kafka_admin.create_topics([topic])[name].result(timeout=ADMIN_SECONDS)
        made.append(name)
        eventually(lambda: _has_leaders(kafka_admin, name, partitions))
        return name

    yield make
    if made:
        for future in kafka_admin.delete_topics(made).values():
            future.result(timeout=ADMIN_SECONDS)


@pytest.fixture
def redis_client(endpoints: Endpoints) -> Iterator[redis.Redis]:
    """A client of an empty Valkey."""
    with redis.Redis.from_url(str(endpoints.redis_url)) as client:
        client.flushall()
        yield client


@contextmanager
def fresh_database(endpoints: Endpoints) -> Iterator[str]:
    """The URL of a database that ends with the block."""
    name = f"t_{uuid.uuid4().hex[:12]}"
    admin_url = str(endpoints.postgres_url)
    with psycopg.connect(admin_url, autocommit=True) as admin:
        admin.execute(f"CREATE DATABASE {name}")
    yield f"{admin_url.rpartition('/')[0]}/{name}"
    with psycopg.connect(admin_url, autocommit=True) as admin:  # the test may have killed the server
        admin.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def pg_dsn(endpoints: Endpoints) -> Iterator[str]:
    """The URL of a fresh database."""
    with fresh_database(endpoints) as dsn:
        yield dsn


@pytest.fixture
def group(endpoints: Endpoints, topic_factory: TopicFactory, tmp_path: Path) -> Iterator[Group]:
    """A consumer group on a topic of four partitions; its processes end with the test."""
    made = Group(endpoints, topic_factory(partitions=4), tmp_path)
    yield made
    made.stop()
