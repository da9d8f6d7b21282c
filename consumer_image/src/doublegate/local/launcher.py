"""Installs, configures and starts the servers of one home, and tells where they answer."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor, as_completed
from typing import TYPE_CHECKING

from doublegate.local import state
from doublegate.local.cache import cache_dir, exclusive, require_free
from doublegate.local.model import Endpoints, Service
from doublegate.local.ports import free_ports, require_free_port
from doublegate.local.process import spawn
from doublegate.local.ready import wait_ready
from doublegate.local.servers.base import Progress, Server, Site
from doublegate.local.servers.jaeger import Jaeger
from doublegate.local.servers.kafka import Kafka
from doublegate.local.servers.postgres import Postgres
from doublegate.local.servers.registry import Registry
from doublegate.local.servers.valkey import Valkey

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from pathlib import Path

HOME_BYTES = 1 << 30


class Launcher:
    """The way of a server from nothing to serving."""

    def __init__(self, home: Path, on_progress: Progress, *, valkey_append_only: bool) -> None:
        self._home = home
        self._progress = on_progress
        self._abort = threading.Event()
        self._servers: dict[Service, Server] = {
            Service.KAFKA: Kafka(),
            Service.VALKEY: Valkey(append_only=valkey_append_only),
            Service.REGISTRY: Registry(),
            Service.POSTGRES: Postgres(),
            Service.JAEGER: Jaeger(),
        }

    def site(self, service: Service) -> Site:
        """A server's place; its ports must have been assigned."""
        return Site(service, self._home / service, state.load(self._home).services[service].ports)

    def main_port(self, service: Service) -> int:
        """The port by which a user knows the server."""
        return self.site(service).ports[self._servers[service].port_names[0]]

    def require_disk(self, services: Collection[Service]) -> None:
        """Refuse to start what would not fit."""
        require_free(self._home, HOME_BYTES)
        require_free(cache_dir(), sum(self._servers[service].disk_needed() for service in services))

    def install(self, service: Service) -> None:
        """Bring a server's files into the cache, which other processes may do at the same time."""

        def on_wait() -> None:
            self._progress(f"waiting for another process that installs {service}")

        with exclusive(cache_dir() / f"{service}.lock", on_wait):
            self._servers[service].install(self._progress)

    def assign_ports(self, services: Collection[Service], chosen: Mapping[Service, int]) -> None:
        """Note free ports for servers, and the main ones that were chosen."""
        with state.changing(self._home) as now:
            taken = {port for entry in now.services.values() for port in entry.ports.values()}
            taken |= set(chosen.values())
            for service in services:
                names = self._servers[service].port_names
                if service not in now.services:  # a dead one's clients look for it on its former ports
                    ports = free_ports(len(names), taken)
                    taken |= set(ports)
                    now.services[service] = state.Entry(dict(zip(names, ports, strict=True)))
                if service in chosen:
                    now.services[service].ports[names[0]] = require_free_port(service, chosen[service])

    def start_together(self, services: Collection[Service]) -> None:
        """Start servers at the same time; the first failure ends the waiting for the others."""
        self._abort.clear()
        with ThreadPoolExecutor(max(1, len(services))) as pool:
            futures = [pool.submit(self._start, service) for service in services]
            try:
                for future in as_completed(futures):
                    future.result()
            except BaseException:
                self._abort.set()  # or leaving the pool would wait for the others
                raise

    def write_endpoints(self) -> None:
        """Tell everybody where the servers answer."""
        with state.changing(self._home) as now:
            fields: dict[str, str] = {}
            for service in map(Service, now.services):
                fields |= self._servers[service].endpoints(self.site(service))
            now.endpoints = Endpoints(**fields)

    def _start(self, service: Service) -> None:
        server, site = self._servers[service], self.site(service)
        site.directory.mkdir(exist_ok=True)
        launch = server.prepare(site)
        handle = spawn(
            launch.argv, log=site.log, cwd=site.directory, env=launch.env, stop_signal=launch.stop_signal
        )
        with state.changing(self._home) as now:
            now.services[service].handle = handle
        wait_ready(server, site, handle, self._abort)
        self._progress(f"{service} is ready")
