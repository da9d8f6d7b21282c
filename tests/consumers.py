"""Real consumers for tests: a topic, a group, processes of it, and what became of every event."""

from __future__ import annotations

import itertools
import json
import logging
import os
import signal
import socket
import subprocess
import sys
import threading
import urllib.error
import urllib.request
import uuid
from collections import Counter
from typing import TYPE_CHECKING, Any

import yaml
from confluent_kafka import (
    Consumer,
    ConsumerGroupTopicPartitions,
    KafkaException,
    Producer,
    TopicPartition,
)
from confluent_kafka.admin import AdminClient

from doublegate.contract.resource import parse_consumer
from doublegate.runtime.service import ConsumerProcess
from tests.helpers import eventually

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from confluent_kafka import Message

    from doublegate.local.model import Endpoints

SECONDS = 20.0
Counts = dict[tuple[str, str], int]

_numbers = itertools.count()


class Handlers:
    """Where handlers of tests are importable: `tests.consumers:Handlers.<name>`."""

    @classmethod
    def add(cls, function: Callable[..., Any]) -> str:
        name = f"h{next(_numbers)}"
        setattr(cls, name, staticmethod(function))
        return f"{__name__}:{cls.__name__}.{name}"


class Effects:
    """What handlers did, in order; thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.ids: list[str] = []

    def add(self, event_id: str) -> None:
        with self._lock:
            self.ids.append(event_id)

    def __len__(self) -> int:
        return len(self.ids)

    def more_than_once(self) -> dict[str, int]:
        return {event_id: n for event_id, n in Counter(self.ids).items() if n > 1}


def merged(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """`over` on top of `base`, section by section; None takes a section away."""
    result = dict(base)
    for name, value in over.items():
        old = result.get(name)
        result[name] = merged(old, value) if isinstance(old, dict) and isinstance(value, dict) else value
    return {name: value for name, value in result.items() if value is not None}


class Member:
    """One process of the group, in this process or in one of its own, read over HTTP."""

    def __init__(self, port: int, process: ConsumerProcess | None = None) -> None:
        self.port = port
        self.process = process
        self.child: subprocess.Popen[bytes] | None = None

    def get(self, path: str) -> tuple[int, str]:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=5) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()
        except OSError as error:
            return 0, str(error)

    def status(self) -> dict[str, Any]:
        code, text = self.get("/status")
        return json.loads(text) if code == 200 else {}

    @property
    def ready(self) -> bool:
        return self.get("/readyz")[0] == 200

    @property
    def counts(self) -> Counts:
        return {(e["decision"], e["gate"]): e["count"] for e in self.status().get("events", [])}

    @property
    def partitions(self) -> int:
        """Partitions of the source topic that it has."""
        status = self.status()
        return sum(p["topic"] == status["topic"] for p in status.get("partitions", []))

    def metric(self, name: str) -> float:
        lines = [line for line in self.get("/metrics")[1].splitlines() if line.startswith(name)]
        return sum(float(line.rpartition(" ")[2]) for line in lines)

    def signal(self, number: int) -> None:
        assert self.child is not None
        self.child.send_signal(number)

    def stop(self) -> None:
        if self.process is not None:
            process, self.process = self.process, None
            process.stop()
        if self.child is not None and self.child.poll() is None:
            self.child.send_signal(signal.SIGCONT)
            self.child.terminate()
            try:
                self.child.wait(SECONDS)
            except subprocess.TimeoutExpired:
                self.child.kill()
                self.child.wait(SECONDS)


class Group:
    """A topic of its own and the group that consumes it."""

    def __init__(self, endpoints: Endpoints, topic: str, folder: Path) -> None:
        self.endpoints = endpoints
        self.topic = topic
        self.name = f"g-{uuid.uuid4().hex[:10]}"
        self.folder = folder
        self.effects = Effects()
        self.members: list[Member] = []
        self.config: dict[str, Any] = {"bootstrap.servers": str(endpoints.bootstrap_servers)}
        self.admin = AdminClient(self.config, logger=logging.getLogger(__name__))
        self.onlooker = Consumer({**self.config, "group.id": self.name}, logger=logging.getLogger(__name__))
        self.producer = Producer(
            {**self.config, "linger.ms": 5, "message.max.bytes": 10_000_000, "partitioner": "murmur2_random"}
        )
        self.base: dict[str, Any] = {
            "handler": {"timeout": "5s"},
            "kafka": {
                "bootstrapServers": str(endpoints.bootstrap_servers),
                "topic": topic,
                "group": self.name,
                "replicationFactor": 1,
                "minInsyncReplicas": 1,
            },
            "ledger": {"url": str(endpoints.redis_url), "session": "2s"},
            "filter": {"expectedRate": 1000, "window": "1m"},
            "flow": {"maxInFlight": 500, "concurrency": {"max": 8}},
            "retries": {"attempts": 3, "initialBackoff": "20ms", "maxBackoff": "100ms"},
            "dlq": {"breaker": {"failureRatio": 1}},
        }

    @property
    def dlq(self) -> str:
        return f"{self.name}.dlq"

    @property
    def replay(self) -> str:
        return f"{self.name}.replay"

    # --- events

    def send(
        self,
        event_id: str | bytes | None,
        value: bytes | None = b"v",
        *,
        key: bytes | None = None,
        headers: list[tuple[str, bytes | None]] | None = None,
        topic: str | None = None,
        partition: int = -1,
    ) -> None:
        given = list(headers or [])
        if event_id is not None:
            given.insert(0, ("correlation_id", event_id.encode() if isinstance(event_id, str) else event_id))
        self.producer.produce(topic or self.topic, value, key, headers=given, partition=partition)
        self.producer.poll(0)

    def send_many(self, count: int, *, prefix: str = "e", keys: int = 20) -> list[str]:
        ids = [f"{prefix}-{number}" for number in range(count)]
        for number, event_id in enumerate(ids):
            self.send(event_id, key=b"k%d" % (number % keys))
        self.flush()
        return ids

    def flush(self) -> None:
        assert self.producer.flush(SECONDS) == 0

    # --- processes

    def resource(self, python: str, **spec: Any) -> dict[str, Any]:
        given = merged(merged(self.base, {"handler": {"python": python}}), spec)
        kind = {"apiVersion": "doublegate.dev/v1alpha1", "kind": "IdempotentConsumer"}
        return {**kind, "metadata": {"name": "test"}, "spec": given}

    def start(self, function: Callable[..., Any], **spec: Any) -> Member:
        """A member in this process."""
        consumer = parse_consumer(self.resource(Handlers.add(function), **spec))
        process = ConsumerProcess(consumer, host="127.0.0.1", port=0)
        member = Member(0, process)
        self.members.append(member)
        process.start()
        member.port = process.port
        return member

    def spawn(self, source: str, **spec: Any) -> Member:
        """A member in a process of its own; its handler is `handle` in the Python `source`."""
        module = f"handler_{next(_numbers)}"
        (self.folder / f"{module}.py").write_text(source)
        path = self.folder / f"{module}.yaml"
        path.write_text(yaml.safe_dump(self.resource(f"{module}:handle", **spec)))
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        member = Member(port)
        self.members.append(member)
        command = [sys.executable, "-m", "doublegate.cli", "run", str(path), "--http-host", "127.0.0.1"]
        command += ["--http-port", str(port), "--app-dir", str(self.folder), "--until-stdin-closes"]
        with (self.folder / f"{module}.log").open("wb") as log:
            member.child = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=log, stderr=log, env={**os.environ, "LINES": "40"}
            )
        return member

    def stop(self) -> None:
        for member in self.members:
            member.stop()
        self.members.clear()

    # --- what became of it

    def counts(self) -> Counter[tuple[str, str]]:
        total: Counter[tuple[str, str]] = Counter()
        for member in self.members:
            total.update(member.counts)
        return total

    def wait_committed(self, timeout: float = SECONDS) -> None:
        """Every record that is in the topic now is passed by the group's commit."""
        ends = self.ends(self.topic)
        eventually(lambda: self.committed() == ends, timeout, 0.05)

    def ends(self, topic: str) -> dict[int, int]:
        partitions = self.onlooker.list_topics(topic, timeout=SECONDS).topics[topic].partitions
        marks = {p: self.onlooker.get_watermark_offsets(TopicPartition(topic, p)) for p in partitions}
        return {p: high for p, (_, high) in marks.items() if high > 0}

    def committed(self) -> dict[int, int]:
        return {p.partition: p.offset for p in self._commits() if p.offset > 0}

    def committed_metadata(self, partition: int) -> str:
        return next((p.metadata or "" for p in self._commits() if p.partition == partition), "")

    def _commits(self) -> list[TopicPartition]:
        # Not the AdminClient's list_consumer_group_offsets: librdkafka 2.x crashes the process in it now and
        # then (rd_kafka_cgrp_op without a group, in the answer's error path).
        try:
            names = [TopicPartition(self.topic, p) for p in self.ends(self.topic)]
            return self.onlooker.committed(names, SECONDS)
        except KafkaException:  # the coordinator moves
            return []

    def reset(self, offset: int = 0) -> None:
        """Put the group, which has no member now, back to `offset` of every partition."""
        partitions = [TopicPartition(self.topic, p, offset) for p in self.committed()]
        request = [ConsumerGroupTopicPartitions(self.name, partitions)]
        answer = self.admin.alter_consumer_group_offsets(request)[self.name].result(SECONDS)
        assert all(p.error is None for p in answer.topic_partitions), answer

    def letters(self) -> list[Message]:
        """Every dead letter, in each partition's order."""
        return self.read(self.dlq)

    def read(self, topic: str) -> list[Message]:
        ends = self.ends(topic)
        consumer = Consumer(
            {**self.config, "group.id": "reader", "enable.auto.commit": False, "fetch.max.bytes": 20_000_000},
            logger=logging.getLogger(__name__),
        )
        found: list[Message] = []
        try:
            consumer.assign([TopicPartition(topic, p, 0) for p in ends])
            while len(found) < sum(ends.values()):
                message = consumer.poll(SECONDS)
                assert message is not None, f"{len(found)} of {sum(ends.values())} came"
                assert message.error() is None, message.error()
                found.append(message)
        finally:
            consumer.close()
        return found

    def reasons(self) -> list[tuple[str, str]]:
        """(event id as sent, reason) of each dead letter."""
        return [(header(m, "correlation_id"), header(m, "dg-dlq-reason")) for m in self.letters()]


def header(message: Message, name: str) -> str:
    """The last header of that name as text, empty when it is missing."""
    found = [value or b"" for key, value in message.headers() or [] if key == name]
    return found[-1].decode(errors="replace") if found else ""
