"""The pods' root among the control groups, of either version; a tree of our own is easy to remove."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from tools.cluster.layout import CGROUP

__all__ = ["make", "processes", "remove"]

ROOT = Path("/sys/fs/cgroup")
SHARES, WEIGHT = 4096, 400
"""Four times the usual: by default all pods together would weigh as much as one busy process beside them."""


def make() -> None:
    """Create it in every hierarchy; kubelet refuses a root that is not there."""
    controllers = ROOT / "cgroup.controllers"
    for hierarchy in _hierarchies():
        (hierarchy / CGROUP).mkdir(exist_ok=True)
        shares = hierarchy / CGROUP / "cpu.shares"
        if shares.exists():
            shares.write_text(str(SHARES))
    if controllers.exists():  # version 2: children have the controllers that their parent passes on
        passed = " ".join(f"+{name}" for name in controllers.read_text().split())
        for group in (ROOT, ROOT / CGROUP):
            (group / "cgroup.subtree_control").write_text(passed)
        (ROOT / CGROUP / "cpu.weight").write_text(str(WEIGHT))


def remove() -> None:
    """Remove it with all below; a group that still has processes stays, and the next attempt finds it."""
    for hierarchy in _hierarchies():
        for directory, _, _ in os.walk(hierarchy / CGROUP, topdown=False):
            with suppress(OSError):
                Path(directory).rmdir()


def processes() -> set[int]:
    """The processes in it."""
    found: set[int] = set()
    for hierarchy in _hierarchies():
        for file in (hierarchy / CGROUP).rglob("cgroup.procs"):
            with suppress(OSError):
                found |= set(map(int, file.read_text().split()))
    return found


def _hierarchies() -> list[Path]:
    if (ROOT / "cgroup.controllers").exists():
        return [ROOT]
    # Links, as cpu -> cpu,cpuacct, name the same hierarchy again.
    return [path for path in sorted(ROOT.iterdir()) if path.is_dir() and not path.is_symlink()]
