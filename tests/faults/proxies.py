"""Toxiproxy between the consumers and the servers: connections that drop, stall or wait.

Built once from its Go module, like the stack's own Go server.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import requests

from doublegate.local.ports import LOOPBACK, free_ports
from doublegate.local.servers.go_build import GoBuild
from tests.helpers import eventually
from tools.builds import provide

if TYPE_CHECKING:
    from collections.abc import Callable

    from doublegate.local.owned import Owned

__all__ = ["Proxies", "Proxy"]

BUILD = GoBuild(
    name="Toxiproxy",
    module=Path(__file__).parent / "toxiproxy",
    programs={"toxiproxy": "github.com/Shopify/toxiproxy/v2/cmd/server"},
    release="v2.5.0",
    linker_flags="-s -w",
    about_lines=270,
    disk_needed=1 << 30,
)
CALL_SECONDS = 10.0


class Proxy:
    """One address that stands before a server."""

    def __init__(self, api: str, name: str, port: int) -> None:
        self._api = f"{api}/proxies/{name}"
        self.port = port

    def cut(self) -> None:
        """Close every connection and accept no new one."""
        self._set(enabled=False)

    def mend(self) -> None:
        """Let everything through as it comes."""
        for toxic in requests.get(f"{self._api}/toxics", timeout=CALL_SECONDS).json():
            requests.delete(f"{self._api}/toxics/{toxic['name']}", timeout=CALL_SECONDS).raise_for_status()
        self._set(enabled=True)

    def delay(self, milliseconds: int, jitter: int = 0) -> None:
        """Answers take so much longer."""
        self._add("latency", {"latency": milliseconds, "jitter": jitter})

    def stall(self) -> None:
        """Connections stay open and nothing of an answer comes through."""
        self._add("timeout", {"timeout": 0})

    def lead_to(self, port: int) -> None:
        """Close the present connections; new ones go to another server of this machine."""
        self._set(upstream=f"{LOOPBACK}:{port}", enabled=False)
        self._set(upstream=f"{LOOPBACK}:{port}", enabled=True)

    def _set(self, **fields: Any) -> None:
        requests.post(self._api, json=fields, timeout=CALL_SECONDS).raise_for_status()

    def _add(self, kind: str, attributes: dict[str, int]) -> None:
        toxic = {"name": kind, "type": kind, "stream": "downstream", "attributes": attributes}
        # One of the kind may be there from a fault that has not ended yet: Toxiproxy keeps one by a name.
        requests.delete(f"{self._api}/toxics/{kind}", timeout=CALL_SECONDS)
        requests.post(f"{self._api}/toxics", json=toxic, timeout=CALL_SECONDS).raise_for_status()


class Proxies:
    """The proxy's process, one of those that `owned` ends."""

    def __init__(self, owned: Owned) -> None:
        (port,) = free_ports(1)
        self._api = f"http://{LOOPBACK}:{port}"
        command = [str(BUILD.program("toxiproxy")), "-host", LOOPBACK, "-port", str(port)]
        owned.launch("toxiproxy", command, owned.home / "toxiproxy.log", {"LOG_LEVEL": "error"})
        eventually(self._serves, 20.0, 0.05)

    @staticmethod
    def install(on_progress: Callable[[str], None]) -> None:
        """Build it once, however many ask at the same time."""
        provide(BUILD, on_progress)

    def add(self, name: str, upstream_port: int) -> Proxy:
        """Stand before a server of this machine."""
        (port,) = free_ports(1)
        fields = {"name": name, "listen": f"{LOOPBACK}:{port}", "upstream": f"{LOOPBACK}:{upstream_port}"}
        answer = requests.post(f"{self._api}/proxies", json=fields | {"enabled": True}, timeout=CALL_SECONDS)
        answer.raise_for_status()
        return Proxy(self._api, name, port)

    def _serves(self) -> bool:
        try:
            return requests.get(f"{self._api}/version", timeout=CALL_SECONDS).ok
        except requests.RequestException:
            return False
