"""Three Kafka brokers on one machine: what shows how clients bear a leader that moves."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import replace
from typing import TYPE_CHECKING, Self

from doublegate.local.model import Service
from doublegate.local.owned import Owned
from doublegate.local.ports import LOOPBACK, free_ports
from doublegate.local.servers.base import Site
from doublegate.local.servers.kafka import Kafka

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from doublegate.local.process import Handle

BROKERS = 3
HEAP_MIB = 384


class KafkaCluster:
    """Brokers that are controllers, too; owned like a `Stack`: they end with the block and the process."""

    def __init__(self, home: Path) -> None:
        self._owned = Owned(home)
        self._nodes: dict[int, tuple[Kafka, Site]] = {}
        self._handles: dict[int, Handle] = {}

    @staticmethod
    def install(on_progress: Callable[[str], None]) -> None:
        """Bring its files into the cache."""
        Kafka().install(on_progress)

    @property
    def bootstrap_servers(self) -> str:
        """All brokers."""
        return ",".join(f"{LOOPBACK}:{site.ports['broker']}" for _, site in self._nodes.values())

    def __enter__(self) -> Self:
        ports = free_ports(2 * BROKERS)
        pairs = list(zip(ports[:BROKERS], ports[BROKERS:], strict=True))
        voters = ",".join(f"{n}@{LOOPBACK}:{controller}" for n, (_, controller) in enumerate(pairs, 1))
        alike = Kafka(voters=voters, replicas=BROKERS, heap_mib=HEAP_MIB)
        with ExitStack() as stack:
            stack.enter_context(self._owned)
            for node, (broker, controller) in enumerate(pairs, 1):
                ports_of = {"broker": broker, "controller": controller}
                site = Site(Service.KAFKA, self._owned.home / f"broker-{node}", ports_of)
                self._nodes[node] = (replace(alike, node=node), site)
            with ThreadPoolExecutor(BROKERS) as pool:  # one waits for the others' votes
                list(pool.map(self.start, self._nodes))
            self._exit = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._exit.close()

    def start(self, node: int) -> None:
        """Start a broker, for the first time or again, and wait until it serves."""
        server, site = self._nodes[node]
        site.directory.mkdir(parents=True, exist_ok=True)
        self._handles[node] = self._owned.start(f"broker-{node}", server, site)

    def start_ended(self) -> None:
        """Start every broker that does not run."""
        for node, handle in list(self._handles.items()):
            if handle.process() is None:
                self.start(node)

    def stop(self, node: int) -> None:
        """Stop a broker in good order: its partitions get other leaders first."""
        self._handles[node].stop()

    def kill(self, node: int) -> None:
        """End a broker as a crash would."""
        self._handles[node].kill()
