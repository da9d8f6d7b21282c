"""What the stack needs to know of a server."""

from __future__ import annotations

import signal
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from doublegate.local.model import Service


Progress = Callable[[str], None]
"""Told of each step, a line each."""


@dataclass(frozen=True)
class Site:
    """A server's place: its directory and the ports it was given, by name."""

    service: Service
    directory: Path
    ports: Mapping[str, int]

    @property
    def log(self) -> Path:
        """The server's own words and what it prints."""
        return self.directory / f"{self.service}.log"

    @property
    def data(self) -> Path:
        """What outlives the process."""
        return self.directory / "data"


@dataclass(frozen=True)
class Launch:
    """How to start the process."""

    argv: list[str]
    env: Mapping[str, str] = field(default_factory=dict)
    stop_signal: int = signal.SIGTERM


class Server(Protocol):
    """One kind of server."""

    @property
    def port_names(self) -> tuple[str, ...]:
        """The first one is the port that an explicit choice sets."""
        ...

    @property
    def start_seconds(self) -> float:
        """How long it may take to be ready on a busy machine."""
        ...

    def disk_needed(self) -> int:
        """Bytes that installing will add to the cache; 0 when it is there."""
        ...

    def install(self, on_progress: Progress) -> None:
        """Bring its files into the cache."""
        ...

    def prepare(self, site: Site) -> Launch:
        """Write configuration, create data that is not there yet."""
        ...

    def check(self, site: Site) -> None:
        """Return when it truly serves, raise whatever happens when it does not."""
        ...

    def endpoints(self, site: Site) -> dict[str, str]:
        """Its fields of `Endpoints`."""
        ...
