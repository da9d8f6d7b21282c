"""A real Valkey Cluster on one machine: what shows whether scripts and pipelines keep to one slot."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Self

import redis

from doublegate.local import state
from doublegate.local.errors import LocalStackError
from doublegate.local.model import Service
from doublegate.local.ports import LOOPBACK, free_ports
from doublegate.local.process import spawn
from doublegate.local.ready import wait_ready
from doublegate.local.servers.base import Site
from doublegate.local.servers.valkey import Valkey
from doublegate.local.watchdog import Watchdog

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
        self.home = home.absolute()
        self._sites: list[Site] = []

    @property
    def url(self) -> str:
        """One node; a cluster client finds the others."""
        return f"redis://{LOOPBACK}:{self._sites[0].ports['redis']}/0"

    def __enter__(self) -> Self:
        self._watchdog = Watchdog(self.home)
        try:
            self._sites = self._start_nodes(free_ports(2 * MASTERS))
            self._form()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        state.stop_all(self.home)
        self._watchdog.release()

    def _start_nodes(self, ports: list[int]) -> list[Site]:
        pairs = zip(ports[:MASTERS], ports[MASTERS:], strict=True)
        return [self._start_node(f"master-{number}", *pair) for number, pair in enumerate(pairs)]

    def _start_node(self, name: str, client_port: int, bus_port: int) -> Site:
        site = Site(Service.VALKEY, self.home / name, {"redis": client_port, "bus": bus_port})
        site.data.mkdir(parents=True)
        server = Valkey()
        options = {
            "cluster-enabled": "yes",
            "cluster-port": str(bus_port),
            "cluster-announce-ip": LOOPBACK,
            "cluster-node-timeout": str(NODE_TIMEOUT_MS),
        }
        argv = [
            *server.prepare(site).argv,
            *(word for key, value in options.items() for word in (f"--{key}", value)),
        ]
        handle = spawn(argv, log=site.log, cwd=site.directory, env={})
        with state.changing(self.home) as now:
            now.services[name] = state.Entry(dict(site.ports), handle)
        wait_ready(server, site, handle, threading.Event())
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
