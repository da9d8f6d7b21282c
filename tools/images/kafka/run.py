#!/usr/bin/env python3
"""Starts Kafka as the image apache/kafka does: settings from the environment, storage formatted once.

`KAFKA_LISTENERS` is the property `listeners`: an underscore is a dot, two are an underscore, three a dash.
The settings go to the temporary directory, so that the root file system can be read-only.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

JAVA = "/opt/java/bin/java"
CLASSPATH = "/opt/kafka/libs/*"
LOGGING = "/etc/kafka/docker/log4j2.properties"
CLUSTER_ID = "5L6g3nShT-eMCtK--X86sw"
NO_PROPERTIES = frozenset({"KAFKA_HEAP_OPTS", "KAFKA_OPTS", "KAFKA_JVM_PERFORMANCE_OPTS"})
FORMAT_SECONDS = 120

# One broker that is its own controller: what the public image is without any setting.
DEFAULTS = {
    "node.id": "1",
    "process.roles": "broker,controller",
    "listeners": "PLAINTEXT://:9092,CONTROLLER://:9093",
    "advertised.listeners": "PLAINTEXT://localhost:9092",
    "controller.listener.names": "CONTROLLER",
    "listener.security.protocol.map": "CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,SSL:SSL,"
    "SASL_PLAINTEXT:SASL_PLAINTEXT,SASL_SSL:SASL_SSL",
    "controller.quorum.voters": "1@localhost:9093",
    "offsets.topic.replication.factor": "1",
    "transaction.state.log.replication.factor": "1",
    "transaction.state.log.min.isr": "1",
    "group.initial.rebalance.delay.ms": "0",
    "log.dirs": "/tmp/kraft-combined-logs",  # noqa: S108 - the container's own
}


def properties(environment: Mapping[str, str]) -> dict[str, str]:
    """The settings: what the environment says, or else the defaults if it says nothing at all."""
    given = {
        _property(name): value
        for name, value in environment.items()
        if name.startswith("KAFKA_") and name not in NO_PROPERTIES
    }
    return given or DEFAULTS


def _property(name: str) -> str:
    rest = name.removeprefix("KAFKA_").lower()
    return rest.replace("___", "-").replace("__", "\0").replace("_", ".").replace("\0", "_")


def main() -> None:
    """Format the storage if it is new, then become Kafka."""
    settings = properties(os.environ)
    directory = Path(tempfile.mkdtemp(prefix="kafka-"))
    file = directory / "server.properties"
    file.write_text("".join(f"{name}={value}\n" for name, value in sorted(settings.items())))
    heap = os.environ.get("KAFKA_HEAP_OPTS", "-Xmx1G -Xms1G").split()
    more = os.environ.get("KAFKA_OPTS", "").split()
    java = [JAVA, *heap, "-XX:+ExitOnOutOfMemoryError", f"-Dlog4j2.configurationFile={LOGGING}", *more]
    java += ["-cp", CLASSPATH]
    cluster = f"--cluster-id={os.environ.get('CLUSTER_ID', CLUSTER_ID)}"
    formatting = [*java, "kafka.tools.StorageTool", "format", cluster, "--ignore-formatted"]
    if "controller.quorum.voters" not in settings:
        formatting.append("--standalone")
    done = subprocess.run([*formatting, "--config", str(file)], timeout=FORMAT_SECONDS, check=False)
    if done.returncode != 0:
        sys.exit(done.returncode)
    os.execv(JAVA, [*java, "kafka.Kafka", str(file)])  # noqa: S606 - this becomes the container's process


if __name__ == "__main__":
    main()
