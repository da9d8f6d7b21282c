"""Loopback ports that stay free while a server is down."""

from __future__ import annotations

import secrets
import socket
from pathlib import Path
from typing import TYPE_CHECKING

from doublegate.local.errors import LocalStackError, PortInUseError

if TYPE_CHECKING:
    from collections.abc import Collection

    from doublegate.local.model import Service

LOOPBACK = "127.0.0.1"
LOWEST = 15_000
EPHEMERAL_RANGE = Path("/proc/sys/net/ipv4/ip_local_port_range")
USUAL_EPHEMERAL = 32_768
TRIES = 200


def is_free(port: int) -> bool:
    """Whether a server could listen on the port now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as servers do: TIME_WAIT is no obstacle
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
    return True


def free_ports(count: int, taken: Collection[int] = ()) -> list[int]:
    """Ports below the ephemeral range.

    From that range the kernel serves outgoing connections: a client that reconnects to a dead server would
    sooner or later sit on the server's own port. Ports of servers that do not listen yet are `taken`.
    """
    found: set[int] = set()
    top = int(EPHEMERAL_RANGE.read_text().split()[0]) if EPHEMERAL_RANGE.exists() else USUAL_EPHEMERAL
    for _ in range(TRIES):
        if len(found) == count:
            return list(found)
        port = LOWEST + secrets.randbelow(max(top, LOWEST + 1_000) - LOWEST)
        if port not in taken and is_free(port):
            found.add(port)
    raise LocalStackError(
        f"no {count} free ports on {LOOPBACK} between {LOWEST} and {top}: stop other servers"
    )


def require_free_port(service: Service, port: int) -> int:
    """Refuse a port that was asked for and is taken.

    Raises:
        PortInUseError: Naming the service and the port.
    """
    if not is_free(port):
        raise PortInUseError(service, port)
    return port
