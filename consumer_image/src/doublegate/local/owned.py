"""Servers beside a stack's, owned by a block of code: they end with it, and with this process."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Self

from doublegate.local import state
from doublegate.local.process import Handle, spawn
from doublegate.local.ready import wait_ready
from doublegate.local.watchdog import Watchdog

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from doublegate.local.servers.base import Server, Site


class Owned:
    """Starts servers under names of their own; a context manager.

    Args:
        home: directory of the state file that the watchdog reads.
    """

    def __init__(self, home: Path) -> None:
        self.home = home.absolute()

    def __enter__(self) -> Self:
        self._watchdog = Watchdog(self.home)
        return self

    def __exit__(self, *_: object) -> None:
        state.stop_all(self.home)
        self._watchdog.release()

    def launch(
        self, name: str, argv: Sequence[str], log: Path, env: Mapping[str, str] | None = None
    ) -> Handle:
        """Start a process; the caller finds out when it serves. An entry of that name is replaced."""
        handle = spawn(argv, log=log, cwd=log.parent, env=env or {})
        with state.changing(self.home) as now:
            now.services[name] = state.Entry({}, handle)
        return handle

    def start(
        self, name: str, server: Server, site: Site, options: Mapping[str, str] | None = None
    ) -> Handle:
        """Start a server and wait until it serves.

        Args:
            name: of this one among those that are owned.
            server: its kind.
            site: its place; the directory is made.
            options: more of its command line, as `--name value`.
        """
        site.data.parent.mkdir(parents=True, exist_ok=True)
        launch = server.prepare(site)
        more = [word for key, value in (options or {}).items() for word in (f"--{key}", value)]
        handle = self.launch(name, [*launch.argv, *more], site.log, launch.env)
        wait_ready(server, site, handle, threading.Event())
        return handle
