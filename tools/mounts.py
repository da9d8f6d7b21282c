"""What is mounted below some folders, and how it goes away."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from doublegate.local.errors import LocalStackError
from tools.run import succeeds

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["points_below", "unmount_below"]

MOUNTS = Path("/proc/self/mounts")
TRIES = 3
"""Several mounts may lie on one place."""


class StillMounted(LocalStackError):
    """A mount does not go away."""


def unmount_below(*folders: Path) -> None:
    """Unmount all that is there, deepest first.

    Raises:
        StillMounted: Names what stays.
    """
    for _ in range(TRIES):
        for point in points_below(MOUNTS.read_text(), folders):
            if not succeeds("umount", point):
                succeeds("umount", "--lazy", point)
    if left := points_below(MOUNTS.read_text(), folders):
        raise StillMounted(f"still mounted: {', '.join(left)}; unmount them and start again")


def points_below(mounts: str, folders: Iterable[Path]) -> list[str]:
    """The mount points below the folders, deepest first.

    Args:
        mounts: as /proc tells them, where blanks are written as octal numbers.
        folders: whose own mounts stay.
    """
    roots = tuple(f"{folder}/" for folder in folders)
    points = {line.split()[1].encode().decode("unicode_escape") for line in mounts.splitlines()}
    return sorted((point for point in points if point.startswith(roots)), reverse=True)
