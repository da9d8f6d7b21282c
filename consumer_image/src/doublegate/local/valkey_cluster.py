"""A real Valkey Cluster on one machine: what shows whether scripts and pipelines keep to one slot."""

from __future__ import annotations

import time
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, Self

import redis

from doublegate.local.errors import LocalStackError
from doublegate.local.model import Service
from doublegate.local.owned import Owned
from doublegate.local.ports import LOOPBACK, free_ports
from doublegate.local.servers.base import Site
from doublegate.local.servers.valkey import Valkey

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

MASTERS = 3
SLOTS = 16_384
NODE_TIMEOUT_MS = 2_000
FORM_SECONDS = 30.0
POLL_SECONDS = 0.1


class ValkeyCluster:
    """Three masters that share the slots, owned like a `Stack`: they end with the block and the process."""

    def __init__(self, home: Path) -> None:
        self._owned = Owned(home)
        self._sites: list[Site] = []

    @property
    def url(self) -> str:
        """One node; a cluster client finds the others."""
        return f"redis://{LOOPBACK}:{self._sites[0].ports['redis']}/0"

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            stack.enter_context(self._owned)
            self._sites = self._start_nodes(free_ports(2 * MASTERS))
            self._form()
            self._exit = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._exit.close()

    def move_slot(self, slot: int) -> None:
        """Hand a slot with its keys to the next master, as a reshard does, while clients use it."""
        with ExitStack() as stack:
            clients = [stack.enter_context(client) for client in self._clients()]
            ids = [str(client.cluster("MYID")) for client in clients]
            source = next(n for n, client in enumerate(clients) if slot in _slots_of(client, ids[n]))
            target = (source + 1) % MASTERS
            clients[target].execute_command("CLUSTER", "SETSLOT", slot, "IMPORTING", ids[source])
            clients[source].execute_command("CLUSTER", "SETSLOT", slot, "MIGRATING", ids[target])
            port = self._sites[target].ports["redis"]
            with redis.Redis(host=LOOPBACK, port=self._sites[source].ports["redis"]) as raw:  # keys are bytes
                while keys := raw.execute_command("CLUSTER", "GETKEYSINSLOT", slot, 100):
                    raw.execute_command("MIGRATE", LOOPBACK, port, "", 0, 5000, "REPLACE", "KEYS", *keys)
            for number in (target, source, *(n for n in range(MASTERS) if n not in (source, target))):
                clients[number].execute_command("CLUSTER", "SETSLOT", slot, "NODE", ids[target])

    def _start_nodes(self, ports: list[int]) -> list[Site]:
        pairs = zip(ports[:MASTERS], ports[MASTERS:], strict=True)
        return [self._start_node(f"master-{number}", *pair) for number, pair in enumerate(pairs)]

    def _start_node(self, name: str, client_port: int, bus_port: int) -> Site:
        site = Site(Service.VALKEY, self._owned.home / name, {"redis": client_port, "bus": bus_port})
        options = {
            "cluster-enabled": "yes",
            "cluster-port": str(bus_port),
            "cluster-announce-ip": LOOPBACK,
            "cluster-node-timeout": str(NODE_TIMEOUT_MS),
        }
        self._owned.start(name, Valkey(), site, options)
        return site

    def _form(self) -> None:
        first = self._sites[0].ports
        for number, client in enumerate(self._clients()):
            client.cluster("SET-CONFIG-EPOCH", number + 1)
            start, end = SLOTS * number // MASTERS, SLOTS * (number + 1) // MASTERS - 1
            client.cluster("ADDSLOTSRANGE", start, end)
            client.cluster("MEET", LOOPBACK, first["redis"], first["bus"])
        deadline = time.monotonic() + FORM_SECONDS
        while not all(_agrees(client) for client in self._clients()):
            if time.monotonic() > deadline:
                logs = ", ".join(str(site.log) for site in self._sites)
                raise LocalStackError(
                    f"the Valkey Cluster did not form within {FORM_SECONDS:.0f} s; see {logs}"
                )
            time.sleep(POLL_SECONDS)

    def _clients(self) -> Iterator[redis.Redis]:
        for site in self._sites:
            with redis.Redis(host=LOOPBACK, port=site.ports["redis"], decode_responses=True) as client:
                yield client


def _agrees(client: redis.Redis) -> bool:
    info = client.cluster("INFO")
    return bool(info["cluster_state"] == "ok" and int(info["cluster_known_nodes"]) == MASTERS)


def _slots_of(client: redis.Redis, node: str) -> range | set[int]:
    """The slots that a node serves."""
    slots: set[int] = set()
    answer: Any = client.cluster("SLOTS")
    for first, last, master, *_ in answer:
        if str(master[2]) == node:
            slots |= set(range(int(first), int(last) + 1))
    return slots
