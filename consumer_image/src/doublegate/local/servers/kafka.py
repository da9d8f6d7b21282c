"""Apache Kafka: broker and KRaft controller in one process, alone or one of several, set up for tests."""

from __future__ import annotations

import base64
import logging
import os
import socket
import subprocess
import uuid
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from confluent_kafka.admin import AdminClient

from doublegate.local import artifacts
from doublegate.local.cache import cache_dir
from doublegate.local.download import fetch
from doublegate.local.errors import ServiceDidNotStart
from doublegate.local.ports import LOOPBACK
from doublegate.local.servers.base import Launch, Progress, Site
from doublegate.local.servers.java import java

if TYPE_CHECKING:
    from pathlib import Path

FORMAT_SECONDS = 90
PROBE_SECONDS = 2
HEAP_MIB = 768

# Short intervals and few partitions: tests join, leave and crash often, and wait for each.
PROPERTIES = """\
process.roles=broker,controller
node.id={node}
controller.quorum.voters={voters}
listeners=PLAINTEXT://{host}:{broker},CONTROLLER://{host}:{controller}
advertised.listeners=PLAINTEXT://{host}:{broker}
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
inter.broker.listener.name=PLAINTEXT
controller.listener.names=CONTROLLER
log.dirs={data}
auto.create.topics.enable=false
delete.topic.enable=true
offsets.topic.num.partitions=4
offsets.topic.replication.factor={replicas}
transaction.state.log.num.partitions=4
transaction.state.log.replication.factor={replicas}
transaction.state.log.min.isr=1
share.coordinator.state.topic.num.partitions=4
share.coordinator.state.topic.replication.factor={replicas}
share.coordinator.state.topic.min.isr=1
broker.heartbeat.interval.ms=500
broker.session.timeout.ms=3000
group.initial.rebalance.delay.ms=0
group.min.session.timeout.ms=1000
group.consumer.min.session.timeout.ms=1000
group.consumer.min.heartbeat.interval.ms=500
group.consumer.heartbeat.interval.ms=1000
group.consumer.session.timeout.ms=10000
log.cleaner.dedupe.buffer.size=16777216
num.network.threads=2
num.io.threads=4
"""

LOG4J2 = """\
status=WARN
appender.out.type=Console
appender.out.name=out
appender.out.layout.type=PatternLayout
appender.out.layout.pattern=%d{ISO8601} %-5p %c{1} %m%n
rootLogger.level=INFO
rootLogger.appenderRef.out.ref=out
"""


def _new_cluster_id() -> str:
    return base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")


@dataclass(frozen=True)
class Kafka:
    """The broker.

    Attributes:
        node: its number in the cluster.
        voters: every node's `number@host:controller port`; itself when it is alone.
        replicas: copies of the brokers' own topics.
        cluster_id: the same for all nodes.
        heap_mib: of its process.
    """

    node: int = 1
    voters: str | None = None
    replicas: int = 1
    cluster_id: str = field(default_factory=_new_cluster_id)
    heap_mib: int = HEAP_MIB

    port_names = ("broker", "controller")
    start_seconds = 120.0

    def disk_needed(self) -> int:
        """What is missing of its jars."""
        return sum(artifact.size for artifact in artifacts.locked("kafka").missing(libs()))

    def install(self, on_progress: Progress) -> None:
        """Download what is missing; verify everything, it takes a moment."""
        lock = artifacts.locked("kafka")
        fetch("kafka", lock.missing(libs()), libs(), on_progress)
        for artifact in lock.artifacts:
            artifact.verify(libs() / artifact.filename)

    def prepare(self, site: Site) -> Launch:
        """Write the configuration; format the storage once."""
        properties = site.directory / "server.properties"
        voters = self.voters or f"{self.node}@{LOOPBACK}:{site.ports['controller']}"
        own = {"node": self.node, "voters": voters, "replicas": self.replicas}
        properties.write_text(PROPERTIES.format(host=LOOPBACK, data=site.data, **own, **site.ports))
        logs = site.directory / "log4j2.properties"
        logs.write_text(LOG4J2)
        command = java(
            f"-Dlog4j2.configurationFile={logs}",
            "-cp",
            os.pathsep.join(_classpath()),
            heap_mib=self.heap_mib,
            site=site,
        )
        if not (site.data / "meta.properties").exists():
            _format(
                [*command, "kafka.tools.StorageTool", "format", f"--cluster-id={self.cluster_id}"],
                site,
                properties,
            )
        return Launch([*command, "kafka.Kafka", str(properties)])

    def check(self, site: Site) -> None:
        """Ask for the topics as a client would."""
        port = site.ports["broker"]
        # Before the port is open librdkafka would only back off and write to the terminal.
        socket.create_connection((LOOPBACK, port), timeout=PROBE_SECONDS).close()
        config: dict[str, str | int | float | bool] = {"bootstrap.servers": f"{LOOPBACK}:{port}"}
        AdminClient(config, logger=logging.getLogger(__name__)).list_topics(timeout=PROBE_SECONDS)

    def endpoints(self, site: Site) -> dict[str, str]:
        """Where clients bootstrap."""
        return {"bootstrap_servers": f"{LOOPBACK}:{site.ports['broker']}"}


def libs() -> Path:
    """Where the broker's jars are, once installed."""
    return cache_dir() / "kafka" / artifacts.locked("kafka").version / "libs"


def _classpath() -> list[str]:
    return [str(libs() / artifact.filename) for artifact in artifacts.locked("kafka").artifacts]


def _format(command: list[str], site: Site, properties: Path) -> None:
    with site.log.open("ab") as log:
        done = subprocess.run(
            [*command, "--ignore-formatted", "--config", str(properties)],
            stdout=log,
            stderr=subprocess.STDOUT,
            timeout=FORMAT_SECONDS,
            check=False,
        )
    if done.returncode != 0:
        raise ServiceDidNotStart(site.service, "its storage could not be formatted", site.log)
