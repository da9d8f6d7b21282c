"""The stack's servers are real, stay on loopback, and nothing of them stays behind."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import textwrap
import uuid
from typing import TYPE_CHECKING

import psutil
import psycopg
import pytest
import redis
import requests
from confluent_kafka import Consumer, Producer
from confluent_kafka.schema_registry import Schema, SchemaRegistryClient
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor

from doublegate.local import state
from doublegate.local.errors import LocalStackError, PortInUseError, ServiceDidNotStart
from doublegate.local.model import Health, Service
from doublegate.local.ports import free_ports
from doublegate.local.servers.valkey import Valkey
from doublegate.local.stack import Stack
from tests.helpers import eventually

if TYPE_CHECKING:
    from pathlib import Path

    from doublegate.local.model import Endpoints
    from doublegate.local.valkey_cluster import ValkeyCluster
    from tests.integration.conftest import TopicFactory

SCHEMA = '{"type": "record", "name": "Paid", "fields": [{"name": "amount", "type": "long"}]}'

OWNER = """
    import signal, sys, time
    from pathlib import Path
    from doublegate.local.model import Service
    from doublegate.local.stack import Stack
    signal.signal(signal.SIGINT, signal.default_int_handler)  # tests in the background inherit it ignored
    with Stack(Path(sys.argv[1]), [Service.VALKEY, Service.POSTGRES]):
        print("up", flush=True)
        time.sleep(600)
"""


def produce(endpoints: Endpoints, topic: str, value: bytes) -> None:
    producer = Producer({"bootstrap.servers": str(endpoints.bootstrap_servers)})
    producer.produce(topic, value)
    assert producer.flush(30) == 0


def consume(endpoints: Endpoints, topic: str) -> bytes | None:
    config = {
        "bootstrap.servers": str(endpoints.bootstrap_servers),
        "group.id": uuid.uuid4().hex,
        "auto.offset.reset": "earliest",
    }
    consumer = Consumer(config)
    consumer.subscribe([topic])
    try:
        message = eventually(lambda: consumer.poll(1.0))
        assert message
        assert message.error() is None
        return message.value()
    finally:
        consumer.close()


def processes(home: Path) -> list[psutil.Process]:
    """Every process of a home that is up, with its descendants."""
    handles = [entry.handle for entry in state.load(home).services.values()]
    roots = [psutil.Process(handle.pid) for handle in handles if handle]
    return [process for root in roots for process in (root, *root.children(recursive=True))]


def gone(process: psutil.Process) -> bool:
    try:
        return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


@pytest.fixture
def owner(tmp_path: Path) -> subprocess.Popen[str]:
    """Another process that owns a stack in `tmp_path / "home"`, as the leader of a group of its own."""
    process = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(OWNER), str(tmp_path / "home")],
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert process.stdout
    assert process.stdout.readline() == "up\n"
    return process


def test_kafka_carries_a_record(endpoints: Endpoints, topic_factory: TopicFactory) -> None:
    topic = topic_factory(partitions=3)
    produce(endpoints, topic, b"hello")
    assert consume(endpoints, topic) == b"hello"


def test_valkey_keeps_a_value_and_never_evicts(redis_client: redis.Redis) -> None:
    redis_client.set("key", "value")
    assert redis_client.get("key") == b"value"
    assert redis_client.config_get("maxmemory-policy") == {"maxmemory-policy": "noeviction"}


def test_registry_takes_a_schema_and_refuses_an_incompatible_one(endpoints: Endpoints) -> None:
    client = SchemaRegistryClient({"url": endpoints.registry_url})
    subject = f"{uuid.uuid4().hex}-value"
    schema_id = client.register_schema(subject, Schema(SCHEMA, "AVRO"))
    assert client.get_schema(schema_id).schema_type == "AVRO"
    client.set_compatibility(subject, "FULL_TRANSITIVE")
    assert not client.test_compatibility(subject, Schema(SCHEMA.replace("long", "string"), "AVRO"))


def test_postgres_serves_a_fresh_database(pg_dsn: str) -> None:
    with psycopg.connect(pg_dsn) as connection:
        assert connection.execute(
            "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'"
        ).fetchone() == (0,)


def test_postgres_asks_for_the_password(pg_dsn: str) -> None:
    with pytest.raises(psycopg.OperationalError, match="password"):
        psycopg.connect(pg_dsn, password="wrong")


def test_jaeger_finds_a_span(jaeger: Endpoints) -> None:
    name = uuid.uuid4().hex
    provider = TracerProvider(resource=Resource.create({"service.name": name}))
    provider.add_span_processor(SimpleSpanProcessor(OTLPSpanExporter(f"{jaeger.otlp_endpoint}/v1/traces")))
    provider.get_tracer(__name__).start_span("charge").end()
    provider.shutdown()

    def found() -> list[str]:
        answer = requests.get(f"{jaeger.jaeger_url}/api/traces", params={"service": name}, timeout=10).json()
        return [span["operationName"] for trace in answer["data"] for span in trace["spans"]]

    assert eventually(found) == ["charge"]


def test_cluster_spreads_keys_over_three_masters(valkey_cluster: ValkeyCluster) -> None:
    with redis.RedisCluster.from_url(valkey_cluster.url) as client:
        client.flushall(target_nodes=client.PRIMARIES)
        for number in range(50):
            client.set(f"key-{number}", number)
        sizes = [node.redis_connection.dbsize() for node in client.get_primaries()]
    assert sum(sizes) == 50
    assert all(sizes)
    assert len(sizes) == 3


@pytest.mark.usefixtures("jaeger", "valkey_cluster")
def test_every_listener_is_on_loopback(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> None:
    homes = [path.parent for path in tmp_path_factory.getbasetemp().glob(f"*/{state.FILE_NAME}")]
    assert stack.home in homes
    listening = {
        connection.laddr.ip
        for home in homes
        for process in processes(home)
        for connection in process.net_connections("inet")
        if connection.status in (psutil.CONN_LISTEN, psutil.CONN_NONE)
    }
    assert listening <= {"127.0.0.1", "::ffff:127.0.0.1", "::1"}
    assert listening


@pytest.mark.parametrize("service", [Service.KAFKA, Service.REGISTRY, Service.POSTGRES])
def test_killed_server_comes_back_with_its_data(
    stack: Stack, endpoints: Endpoints, service: Service, topic_factory: TopicFactory, pg_dsn: str
) -> None:
    topic, subject = topic_factory(), f"{uuid.uuid4().hex}-value"
    produce(endpoints, topic, b"before")
    SchemaRegistryClient({"url": endpoints.registry_url}).register_schema(subject, Schema(SCHEMA, "AVRO"))
    with psycopg.connect(pg_dsn) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 7 AS number")

    stack.kill(service)
    assert {status.service for status in stack.status() if status.health is Health.STOPPED} == {service}
    stack.start(service)

    assert stack.endpoints == endpoints
    assert consume(endpoints, topic) == b"before"
    assert subject in SchemaRegistryClient({"url": endpoints.registry_url}).get_subjects()
    with psycopg.connect(pg_dsn) as connection:
        assert connection.execute("SELECT number FROM kept").fetchone() == (7,)


@pytest.mark.parametrize(("append_only", "kept"), [(True, b"value"), (False, None)])
def test_valkey_data_outlives_a_kill_only_when_appended(
    tmp_path: Path, *, append_only: bool, kept: bytes | None
) -> None:
    with Stack(tmp_path, [Service.VALKEY], valkey_append_only=append_only) as stack:
        client = redis.Redis.from_url(str(stack.endpoints.redis_url))
        client.set("key", "value")
        stack.kill(Service.VALKEY)
        with pytest.raises(redis.ConnectionError):
            client.ping()
        stack.start(Service.VALKEY)
        assert client.get("key") == kept


def test_paused_server_holds_its_connections_and_answers_after_resuming(tmp_path: Path) -> None:
    with Stack(tmp_path, [Service.VALKEY]) as stack:
        client = redis.Redis.from_url(str(stack.endpoints.redis_url), socket_timeout=0.5, retry=None)
        stack.pause(Service.VALKEY)
        eventually(lambda: [status.health for status in stack.status()] == [Health.PAUSED])
        with pytest.raises(redis.TimeoutError):
            client.ping()
        stack.resume(Service.VALKEY)
        assert client.ping()
        stack.pause(Service.VALKEY)  # and one that is frozen can still be stopped


def test_detached_stack_is_found_and_stopped_by_another_process(tmp_path: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from doublegate.local.stack import Stack; "
        "Stack(Path(sys.argv[1]), ['valkey', 'postgres']).up()"
    )
    subprocess.run([sys.executable, "-c", program, str(tmp_path)], check=True, timeout=120)
    running = processes(tmp_path)
    other = Stack(tmp_path)
    assert [status.health for status in other.status()] == [Health.RUNNING, Health.RUNNING]
    assert redis.Redis.from_url(str(other.endpoints.redis_url)).ping()
    other.down()
    assert all(gone(process) for process in running)
    assert other.status() == []


def test_up_heals_what_died_and_leaves_the_rest_alone(tmp_path: Path) -> None:
    with Stack(tmp_path, [Service.VALKEY, Service.POSTGRES]) as stack:
        before = {status.service: status for status in stack.status()}
        os.kill(before[Service.VALKEY].pid or 0, signal.SIGKILL)
        eventually(lambda: stack.status()[0].health is Health.STOPPED)
        stack.up()
        after = {status.service: status for status in stack.status()}
    assert after[Service.POSTGRES] == before[Service.POSTGRES]
    assert after[Service.VALKEY].pid != before[Service.VALKEY].pid
    assert after[Service.VALKEY].port == before[Service.VALKEY].port


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_servers_end_with_the_process_that_owns_them(
    owner: subprocess.Popen[str], tmp_path: Path, number: signal.Signals
) -> None:
    servers = processes(tmp_path / "home")
    assert len(servers) > 2
    os.killpg(owner.pid, number)  # the whole group, as a terminal does
    owner.wait(timeout=60)
    eventually(lambda: all(gone(server) for server in servers), timeout=60)
    eventually(lambda: not (tmp_path / "home" / state.FILE_NAME).exists())


def test_port_in_use_names_port_and_service(tmp_path: Path) -> None:
    [port] = free_ports(1)
    with socket.create_server(("127.0.0.1", port)):
        stack = Stack(tmp_path, [Service.VALKEY], ports={Service.VALKEY: port})
        with pytest.raises(PortInUseError, match=f"port {port} .* valkey, is in use"):
            stack.up()
    assert stack.up().redis_url == f"redis://127.0.0.1:{port}/0"
    stack.down()


def test_server_that_dies_at_start_names_its_log_and_stops_the_others(tmp_path: Path) -> None:
    stack = Stack(tmp_path, [Service.VALKEY, Service.POSTGRES])
    stack.up()
    stack.down()
    with (tmp_path / "postgres" / "data" / "postgresql.conf").open("a") as config:
        config.write("nonsense = yes\n")
    with pytest.raises(ServiceDidNotStart) as raised:
        stack.up()
    assert str(tmp_path / "postgres" / "postgres.log") in str(raised.value)
    assert 'unrecognized configuration parameter "nonsense"' in str(raised.value)
    assert {status.health for status in stack.status()} == {Health.STOPPED}


def test_server_that_never_serves_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise ConnectionError("still loading")

    monkeypatch.setattr(Valkey, "check", refuse)
    monkeypatch.setattr(Valkey, "start_seconds", 0.5)
    stack = Stack(tmp_path, [Service.VALKEY])
    with pytest.raises(ServiceDidNotStart, match=r"did not serve within .* \(still loading\)"):
        stack.up()
    assert [status.health for status in stack.status()] == [Health.STOPPED]


def test_faults_in_the_wrong_state_are_errors(tmp_path: Path) -> None:
    with pytest.raises(LocalStackError, match="valkey does not run"):
        Stack(tmp_path).pause(Service.VALKEY)
    with Stack(tmp_path, [Service.VALKEY]) as stack:
        for service in (Service.VALKEY, Service.POSTGRES):
            with pytest.raises(LocalStackError, match=f"{service} .* is not a server that was stopped"):
                stack.start(service)


def test_two_processes_that_start_one_home_share_its_servers(tmp_path: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from doublegate.local.stack import Stack; "
        "print(Stack(Path(sys.argv[1]), ['valkey', 'postgres']).up())"
    )
    command = [sys.executable, "-c", program, str(tmp_path)]
    starters = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    said = [starter.communicate(timeout=120)[0] for starter in starters]
    assert said[0] == said[1] == f"{Stack(tmp_path).endpoints}\n"
    Stack(tmp_path).down()
    commands = [" ".join(process.info["cmdline"] or ()) for process in psutil.process_iter(["cmdline"])]
    assert not [command for command in commands if str(tmp_path) in command]
