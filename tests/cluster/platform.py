"""Kafka, Valkey, registry, PostgreSQL and Jaeger in the cluster, shared by all tests of a run."""

from __future__ import annotations

from dataclasses import dataclass
from secrets import token_hex
from typing import TYPE_CHECKING

from doublegate.local.model import Endpoints
from doublegate.local.ports import LOOPBACK, free_ports
from tests.cluster import manifests as m

if TYPE_CHECKING:
    from tests.cluster.manifests import Object
    from tests.cluster.namespace import Namespace

START_SECONDS = 180.0
KAFKA, KAFKA_OUTSIDE, KAFKA_CONTROLLER = 9092, 9094, 9093
VALKEY, REGISTRY, POSTGRES, OTLP, JAEGER = 6379, 8080, 5432, 4318, 16686
PASSWORD = token_hex(8)
PARTS = ("kafka", "valkey", "registry", "postgres", "jaeger")


@dataclass(frozen=True)
class Platform:
    """Where the servers answer.

    Attributes:
        namespace: which they are in.
        inside: for pods.
        outside: for the test.
    """

    namespace: Namespace
    inside: Endpoints
    outside: Endpoints


def start(namespace: Namespace) -> Platform:
    """Start all of them and wait until they serve."""
    images = namespace.cluster.images
    [kafka_outside] = free_ports(1)  # Kafka tells its clients where it is, so the port is known before
    kafka = f"kafka.{namespace.name}:{KAFKA}"
    for name, objects in {
        "kafka": kafka_objects(images["kafka"], kafka, f"{LOOPBACK}:{kafka_outside}"),
        "valkey": valkey_objects(images["valkey"]),
        "registry": registry_objects(images["registry"]),
        "postgres": postgres_objects(images["postgres"]),
        "jaeger": jaeger_objects(images["jaeger"]),
    }.items():
        assert name in PARTS
        namespace.apply(*objects)
    namespace.wait_rolled_out(*PARTS, seconds=START_SECONDS)
    namespace.forward("svc/kafka", KAFKA_OUTSIDE, kafka_outside)
    valkey, registry = namespace.forward("svc/valkey", VALKEY), namespace.forward("svc/registry", REGISTRY)
    postgres, jaeger = namespace.forward("svc/postgres", POSTGRES), namespace.forward("svc/jaeger", JAEGER)
    otlp = namespace.forward("svc/jaeger", OTLP)
    return Platform(
        namespace,
        inside=_endpoints(
            kafka,
            valkey=f"valkey.{namespace.name}:{VALKEY}",
            registry=f"registry.{namespace.name}:{REGISTRY}",
            postgres=f"postgres.{namespace.name}:{POSTGRES}",
            otlp=f"jaeger.{namespace.name}:{OTLP}",
            jaeger=f"jaeger.{namespace.name}:{JAEGER}",
        ),
        outside=_endpoints(
            f"{LOOPBACK}:{kafka_outside}",
            valkey=f"{LOOPBACK}:{valkey.port}",
            registry=f"{LOOPBACK}:{registry.port}",
            postgres=f"{LOOPBACK}:{postgres.port}",
            otlp=f"{LOOPBACK}:{otlp.port}",
            jaeger=f"{LOOPBACK}:{jaeger.port}",
        ),
    )


def kafka_objects(image: str, inside: str, outside: str) -> list[Object]:
    """One broker that is its own controller; it answers pods under one address and the test under another."""
    settings = {
        "NODE_ID": "1",
        "PROCESS_ROLES": "broker,controller",
        "LISTENERS": f"PODS://:{KAFKA},TEST://:{KAFKA_OUTSIDE},CONTROLLER://:{KAFKA_CONTROLLER}",
        "ADVERTISED_LISTENERS": f"PODS://{inside},TEST://{outside}",
        "LISTENER_SECURITY_PROTOCOL_MAP": "PODS:PLAINTEXT,TEST:PLAINTEXT,CONTROLLER:PLAINTEXT",
        "INTER_BROKER_LISTENER_NAME": "PODS",
        "CONTROLLER_LISTENER_NAMES": "CONTROLLER",
        "CONTROLLER_QUORUM_VOTERS": f"1@localhost:{KAFKA_CONTROLLER}",
        "LOG_DIRS": "/var/lib/kafka/data/logs",
        "AUTO_CREATE_TOPICS_ENABLE": "false",
        "OFFSETS_TOPIC_NUM_PARTITIONS": "4",
        "OFFSETS_TOPIC_REPLICATION_FACTOR": "1",
        "TRANSACTION_STATE_LOG_NUM_PARTITIONS": "4",
        "TRANSACTION_STATE_LOG_REPLICATION_FACTOR": "1",
        "TRANSACTION_STATE_LOG_MIN_ISR": "1",
        "SHARE_COORDINATOR_STATE_TOPIC_REPLICATION_FACTOR": "1",
        "SHARE_COORDINATOR_STATE_TOPIC_MIN_ISR": "1",
        "GROUP_INITIAL_REBALANCE_DELAY_MS": "0",
        "GROUP_MIN_SESSION_TIMEOUT_MS": "1000",
    }
    env = {f"KAFKA_{name}": value for name, value in settings.items()}
    env["KAFKA_HEAP_OPTS"] = "-Xmx512m -Xms256m -XX:+UseSerialGC"
    broker = m.container(
        "kafka",
        image,
        memory="900Mi",
        env=env,
        ready=m.tcp(KAFKA),
        # The last two are where the public image writes its settings and logs.
        volumes={
            "data": "/var/lib/kafka/data",
            "tmp": "/tmp",
            "config": "/opt/kafka/config",
            "logs": "/opt/kafka/logs",
        },
    )
    fs_group = {"fsGroup": 1000, "runAsUser": 1000}
    return [
        m.deployment("kafka", broker, securityContext=fs_group),
        m.service("kafka", KAFKA, KAFKA_OUTSIDE),
    ]


def valkey_objects(image: str) -> list[Object]:
    """A ledger that never evicts."""
    command = ["valkey-server", "--bind", "*", "--protected-mode", "no", "--maxmemory-policy", "noeviction"]
    server = m.container(
        "valkey",
        image,
        memory="128Mi",
        command=[*command, "--save", "", "--appendonly", "yes"],
        ready=m.tcp(VALKEY),
        volumes={"data": "/data"},
    )
    ids = {"runAsUser": 999, "fsGroup": 999}
    return [m.deployment("valkey", server, securityContext=ids), m.service("valkey", VALKEY)]


def registry_objects(image: str) -> list[Object]:
    """A registry that keeps its schemas in memory."""
    server = m.container(
        "registry",
        image,
        memory="700Mi",
        env={
            "JAVA_TOOL_OPTIONS": "-Xmx256m -XX:+UseSerialGC -XX:TieredStopAtLevel=1",
            "QUARKUS_HTTP_ACCESS_LOG_ENABLED": "false",
        },
        ready=m.http_get("/apis/ccompat/v7/subjects", REGISTRY, timeoutSeconds=5),
        volumes={"tmp": "/tmp"},
    )
    return [
        m.deployment("registry", server, securityContext={"runAsUser": 1001}),
        m.service("registry", REGISTRY),
    ]


def postgres_objects(image: str) -> list[Object]:
    """A primary database, fast rather than durable."""
    server = m.container(
        "postgres",
        image,
        memory="256Mi",
        args=["postgres", "-c", "fsync=off", "-c", "full_page_writes=off"],
        env={"POSTGRES_PASSWORD": PASSWORD},
        ready=m.tcp(POSTGRES),
        volumes={"data": "/var/lib/postgresql", "run": "/var/run/postgresql", "tmp": "/tmp"},
    )
    ids = {"runAsUser": 999, "fsGroup": 999}
    return [m.deployment("postgres", server, securityContext=ids), m.service("postgres", POSTGRES)]


def jaeger_objects(image: str) -> list[Object]:
    """Traces in memory, as the image is without any configuration."""
    server = m.container("jaeger", image, memory="256Mi", ready=m.tcp(JAEGER))
    return [
        m.deployment("jaeger", server, securityContext={"runAsUser": 10001}),
        m.service("jaeger", OTLP, JAEGER),
    ]


def _endpoints(kafka: str, *, valkey: str, registry: str, postgres: str, otlp: str, jaeger: str) -> Endpoints:
    return Endpoints(
        bootstrap_servers=kafka,
        redis_url=f"redis://{valkey}/0",
        registry_url=f"http://{registry}/apis/ccompat/v7",
        postgres_url=f"postgresql://postgres:{PASSWORD}@{postgres}/postgres",
        otlp_endpoint=f"http://{otlp}",
        jaeger_url=f"http://{jaeger}",
    )
