"""The peers' virtual environment: in the cache, made once for each content of `requirements.txt`."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from doublegate.local.cache import cache_dir, exclusive

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["HERE", "python_of_peers"]

HERE = Path(__file__).parent
REQUIREMENTS = HERE / "requirements.txt"
INSTALL_SECONDS = 600.0


def python_of_peers(say: Callable[[str], None]) -> Path:
    """The interpreter of the environment, which is installed where it is missing."""
    digest = hashlib.sha256(REQUIREMENTS.read_bytes() + sys.version.encode()).hexdigest()[:12]
    home = cache_dir() / f"peers-{digest}"
    python = home / "bin" / "python"
    with exclusive(cache_dir() / "peers.lock", lambda: say("another process installs the peers")):
        if not (home / ".complete").exists():
            uv = _uv()
            say(f"the peers' packages into {home}")
            shutil.rmtree(home, ignore_errors=True)
            _run(uv, "venv", "--python", sys.executable, str(home))
            _run(uv, "pip", "sync", "--require-hashes", "--python", str(python), str(REQUIREMENTS))
            (home / ".complete").touch()
    return python


def _uv() -> str:
    """The uv of `make setup`, or the system's."""
    ours = sorted(cache_dir().glob("uv-*/bin/uv"))
    found = os.environ.get("UV") or (str(ours[-1]) if ours else shutil.which("uv"))
    if found is None:
        raise SystemExit("uv is missing: run `make setup` first, or put uv on the PATH")
    return found


def _run(*command: str) -> None:
    done = subprocess.run(
        [*command, "--quiet"], timeout=INSTALL_SECONDS, check=False, capture_output=True, text=True
    )
    if done.returncode:
        raise SystemExit(f"{' '.join(command)} failed:\n{done.stderr}")
