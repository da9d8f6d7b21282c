"""The real servers on one machine, without root and without containers."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING, Self

from doublegate.local import state
from doublegate.local.cache import exclusive
from doublegate.local.errors import LocalStackError
from doublegate.local.launcher import Launcher
from doublegate.local.model import Endpoints, Health, Service, ServiceStatus
from doublegate.local.process import Handle
from doublegate.local.watchdog import Watchdog

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping
    from pathlib import Path

LOCK_NAME = "up.lock"


class Stack:
    """The servers of one home directory, where their data, logs and state file are.

    `up` leaves them running for other processes to find. As a context manager the stack owns them: they end
    with the block, and with this process however it ends.
    """

    def __init__(
        self,
        home: Path,
        services: Collection[Service] = tuple(Service),
        on_progress: Callable[[str], None] = lambda _: None,
        *,
        ports: Mapping[Service, int] | None = None,
        valkey_append_only: bool = False,
    ) -> None:
        """Describe a stack; nothing starts yet.

        Args:
            home: Its directory, which is created.
            services: What `up` starts.
            on_progress: Told of each step, a line each.
            ports: Explicit main ports (Jaeger's is the one of its query API); the others are found.
            valkey_append_only: Let the ledger's data outlive its process.
        """
        self.home = home.absolute()
        self._wanted = tuple(services)
        self._chosen_ports = dict(ports or {})
        self._launcher = Launcher(self.home, on_progress, valkey_append_only=valkey_append_only)
        self._watchdog: Watchdog | None = None

    @property
    def endpoints(self) -> Endpoints:
        """Where the servers answer; all None before `up`."""
        return state.load(self.home).endpoints

    def install(self) -> None:
        """Bring the servers into the cache; the first time that downloads and builds, which `up` does, too.

        Raises:
            LocalStackError: Any of its kinds, such as too little disk.
        """
        self._launcher.require_disk(self._wanted)
        for service in self._wanted:
            self._launcher.install(service)

    def up(self) -> Endpoints:
        """Install what is missing, then start what does not run yet, and wait until all of it serves.

        Raises:
            LocalStackError: Any of its kinds; what this call had started is stopped again.
        """
        self.install()
        self.home.mkdir(mode=0o700, parents=True, exist_ok=True)
        with exclusive(self.home / LOCK_NAME):  # another process may want the same
            running = {status.service for status in self.status() if status.health is not Health.STOPPED}
            missing = [service for service in self._wanted if service not in running]
            try:
                self._launcher.assign_ports(missing, self._chosen_ports)
                self._launcher.start_together(missing)
                self._launcher.write_endpoints()
            except BaseException:
                for service in missing:
                    self.stop(service)
                raise
        return self.endpoints

    def down(self) -> None:
        """Stop everything, also what another process has started in this home; data and logs stay."""
        state.stop_all(self.home)

    def status(self) -> list[ServiceStatus]:
        """How each server of this home is."""
        return [
            ServiceStatus(
                service=service,
                health=entry.health,
                pid=entry.handle.pid if entry.handle else None,
                port=self._launcher.main_port(service),
                log=self._launcher.site(service).log,
            )
            for service, entry in self._entries().items()
        ]

    def start(self, service: Service) -> None:
        """Start a stopped or killed server again, on its ports and its data."""
        entry = self._entries().get(service)
        if entry is None or entry.health is not Health.STOPPED:
            raise LocalStackError(
                f"{service} in {self.home} is not a server that was stopped: see its status"
            )
        self._launcher.start_together([service])

    def stop(self, service: Service) -> None:
        """Stop one server in good order."""
        self._end(service, Handle.stop)

    def kill(self, service: Service) -> None:
        """End one server as a crash would."""
        self._end(service, Handle.kill)

    def pause(self, service: Service) -> None:
        """Freeze one server: its connections stay open and nothing answers."""
        self._handle(service).signal(signal.SIGSTOP)

    def resume(self, service: Service) -> None:
        """Let a frozen server go on."""
        self._handle(service).signal(signal.SIGCONT)

    def __enter__(self) -> Self:
        self._watchdog = Watchdog(self.home)
        try:
            self.up()
        except BaseException:
            self._watchdog.release()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.down()
        if self._watchdog:
            self._watchdog.release()

    def _entries(self) -> dict[Service, state.Entry]:
        return {Service(name): entry for name, entry in state.load(self.home).services.items()}

    def _handle(self, service: Service) -> Handle:
        entry = self._entries().get(service)
        if entry is None or entry.handle is None:
            raise LocalStackError(f"{service} does not run in {self.home}: start it first")
        return entry.handle

    def _end(self, service: Service, how: Callable[[Handle], None]) -> None:
        entry = self._entries().get(service)
        if entry is None or entry.handle is None:
            return
        how(entry.handle)
        with state.changing(self.home) as now:
            now.services[service].handle = None
