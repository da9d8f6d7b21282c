"""Whether this machine can carry the cluster; asked before anything is built or changed."""

from __future__ import annotations

import os
import re
import socket
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from tools.cluster.errors import NotPossibleHere
from tools.cluster.record import Record

if TYPE_CHECKING:
    from tools.cluster.layout import Layout

__all__ = ["require_possible"]

ELSEWHERE = "use another cluster by `make cluster-test KUBECONFIG=...`, such as kind's"
STATUS = Path("/proc/self/status")
CAPABILITIES = {"CAP_NET_ADMIN": 12, "CAP_SYS_ADMIN": 21}
"""For routes and for mounts, with their bits; root in a container has neither."""
KUBELET_SOCKET = Path("/var/lib/kubelet/device-plugins/kubelet.sock")
"""Its place can't be chosen, so that a machine has one kubelet at most."""


def require_possible(where: Layout) -> None:
    """Refuse where the cluster can't be.

    Raises:
        NotPossibleHere: With the reason and what to do instead.
    """
    if sys.platform != "linux":
        raise NotPossibleHere(f"the cluster runs on Linux, this is {sys.platform}; {ELSEWHERE}")
    if os.geteuid() != 0:
        raise NotPossibleHere(f"the cluster needs root, for namespaces, mounts and routes; {ELSEWHERE}")
    if lacking := lacking_capabilities(STATUS.read_text()):
        raise NotPossibleHere(f"this root lacks {', '.join(lacking)}, as in a container; {ELSEWHERE}")
    if "kubelet" not in Record.load(where.run).running and _answers(KUBELET_SOCKET):
        raise NotPossibleHere(f"this machine is a Kubernetes node already: use its cluster; {ELSEWHERE}")


def lacking_capabilities(status: str) -> list[str]:
    """What a process, by its status in /proc, can't do and the cluster must."""
    found = re.search(r"^CapEff:\s+([0-9a-f]+)$", status, re.MULTILINE)
    held = int(found.group(1), 16) if found else 0
    return [name for name, bit in CAPABILITIES.items() if not held >> bit & 1]


def _answers(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as probe:
        return probe.connect_ex(str(path)) == 0
