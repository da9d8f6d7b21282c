"""The servers that schedules share: started once, healed after each of them."""

from __future__ import annotations

import sys
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import urlsplit

import psycopg
import requests

from doublegate.local.kafka_cluster import KafkaCluster
from doublegate.local.model import Service
from doublegate.local.owned import Owned
from doublegate.local.ports import LOOPBACK, free_ports
from doublegate.local.stack import Stack
from doublegate.local.valkey_cluster import ValkeyCluster
from tests.faults.ledgers import ValkeyPair
from tests.faults.proxies import Proxies
from tests.helpers import eventually

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.faults.proxies import Proxy

__all__ = ["World"]

CALL_SECONDS = 10.0


class World:
    """Kafka, ledger, registry, PostgreSQL, a collector of traces, the far side; a context manager.

    Args:
        home: their directory.
        wide: three brokers and a Valkey Cluster, in place of one broker and a pair with a virtual address.
        traces: with Jaeger.
        say: told of each step.
    """

    def __init__(self, home: Path, *, wide: bool, traces: bool, say: Callable[[str], None]) -> None:
        self.home = home
        self.wide = wide
        self._traces = traces
        self._say = say
        self.pair: ValkeyPair | None = None
        self.cluster: ValkeyCluster | None = None
        self.brokers: KafkaCluster | None = None

    def __enter__(self) -> Self:
        services = [Service.REGISTRY, Service.POSTGRES]
        services += [] if self.wide else [Service.KAFKA]
        services += [Service.JAEGER] if self._traces else []
        Proxies.install(self._say)
        with ExitStack() as stack:
            self.stack = stack.enter_context(Stack(self.home / "stack", services, self._say))
            owned = stack.enter_context(Owned(self.home / "owned"))
            proxies = Proxies(owned)
            if self.wide:
                KafkaCluster.install(self._say)
                self.brokers = stack.enter_context(KafkaCluster(self.home / "kafka"))
                self.cluster = stack.enter_context(ValkeyCluster(self.home / "valkey"))
            else:
                self.pair = ValkeyPair(owned, proxies)
            self._far_side(owned)
            ends = self.stack.endpoints
            ports = {"registry": ends.registry_url, "postgres": ends.postgres_url, "otlp": ends.otlp_endpoint}
            self.proxies: dict[str, Proxy] = {
                name: proxies.add(name, _port(url)) for name, url in ports.items() if url
            }
            self.proxies["far"] = proxies.add("far", self._far_port)
            if self.pair is not None:
                self.proxies["ledger"] = self.pair.proxy
            self._exit = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._exit.close()

    @property
    def bootstrap(self) -> str:
        """The brokers."""
        return self.brokers.bootstrap_servers if self.brokers else str(self.stack.endpoints.bootstrap_servers)

    @property
    def ledger_url(self) -> str:
        """Where consumers find the ledger."""
        return self.cluster.url if self.cluster else self.pair.url  # type: ignore[union-attr]

    def through(self, name: str, url: str) -> str:
        """The URL of a server by way of its proxy."""
        return url.replace(f":{_port(url)}", f":{self.proxies[name].port}")

    @property
    def far_side(self) -> str:
        """The external API, by way of its proxy."""
        return f"http://{LOOPBACK}:{self.proxies['far'].port}"

    def set_mood(self, mood: str) -> None:
        """How the far side behaves."""
        requests.post(f"{self._far_url}/mood", json={"mood": mood}, timeout=CALL_SECONDS).raise_for_status()

    def calls(self, run: str) -> list[dict[str, Any]]:
        """All calls of a run that the far side got."""
        answer = requests.get(f"{self._far_url}/calls", params={"run": run}, timeout=CALL_SECONDS)
        answer.raise_for_status()
        return list(answer.json())

    def database(self, run: str) -> str:
        """A database of the run's own, with a table of effects; its URL."""
        admin = str(self.stack.endpoints.postgres_url)
        name = run.replace("-", "_")
        with psycopg.connect(admin, autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name}")
        url = f"{admin.rpartition('/')[0]}/{name}"
        with psycopg.connect(
            url, autocommit=True
        ) as connection:  # not unique: the inbox alone keeps it single
            connection.execute("CREATE TABLE effects (place bigserial, id text, call jsonb)")
        return url

    def heal(self) -> None:
        """Everything serves again, as it did at the start."""
        for status in self.stack.status():
            self.stack.resume(status.service) if status.pid else self.stack.start(status.service)
        for proxy in self.proxies.values():
            proxy.mend()
        if self.pair is not None:
            self.pair.heal()
        if self.brokers is not None:
            self.brokers.start_ended()
        self.set_mood("well")

    def _far_side(self, owned: Owned) -> None:
        (self._far_port,) = free_ports(1)
        self._far_url = f"http://{LOOPBACK}:{self._far_port}"
        command = [sys.executable, "-m", "tests.faults.far_side", str(self._far_port)]
        owned.launch("far-side", command, owned.home / "far-side.log", {"PYTHONPATH": str(Path.cwd())})
        eventually(self._far_answers, 20.0)

    def _far_answers(self) -> bool:
        try:
            return self.calls("none") == []
        except requests.RequestException:
            return False


def _port(url: str) -> int:
    port = urlsplit(url).port
    assert port is not None, url
    return port
