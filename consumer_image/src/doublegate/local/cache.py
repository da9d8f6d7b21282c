"""Where downloads and builds are kept, and whether the disk has room for more."""

from __future__ import annotations

import fcntl
import os
import shutil
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from doublegate.local.errors import NotEnoughDiskError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


def cache_dir() -> Path:
    """The cache outside any repository, shared by all stacks of this user."""
    if chosen := os.environ.get("DOUBLEGATE_CACHE"):
        return Path(chosen)
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "doublegate"


def require_free(path: Path, needed: int) -> None:
    """Refuse to go on when the file system of a path, which need not exist yet, has too little room.

    Raises:
        NotEnoughDiskError: With the path, what is needed and what is free.
    """
    existing = next(p for p in (path, *path.absolute().parents) if p.exists())
    free = shutil.disk_usage(existing).free
    if free < needed:
        raise NotEnoughDiskError(path, needed=needed, free=free)


@contextmanager
def exclusive(path: Path, on_wait: Callable[[], None] = lambda: None) -> Iterator[None]:
    """Hold a lock file against other threads and processes; the kernel frees it when its holder dies.

    Args:
        path: The lock file.
        on_wait: Called when somebody else holds it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("ab") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            on_wait()
            fcntl.flock(file, fcntl.LOCK_EX)
        yield
