"""Buildah, which builds ordinary Dockerfiles without a daemon: its calls, in a store of our own."""

from __future__ import annotations

import shutil
import subprocess
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from doublegate.local.cache import cache_dir
from doublegate.local.errors import BuildFailedError, tail
from tools.mounts import unmount_below
from tools.run import environment, output

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["build", "save", "tidy"]

BUILD_SECONDS = 1200
SAVE_SECONDS = 300
STORE_BYTES = 6 << 30
AUTHORITIES = Path("/etc/ssl/certs/ca-certificates.crt")
"""What this machine trusts: behind a company's proxy the base's own bundle would not do."""


def build(
    reference: str,
    dockerfile: Path,
    context: Path,
    *,
    arguments: Mapping[str, str],
    folders: Mapping[str, Path],
    log: Path,
) -> None:
    """Build an image into the store; what did not change is taken from it.

    Raises:
        BuildFailedError: With the last lines of the log.
    """
    # RUN steps need neither namespaces nor control groups of their own, and the network as it is.
    options = ["--isolation=chroot", "--network=host", "--layers", "--timestamp=0", "--pull-never"]
    if AUTHORITIES.exists():
        options.append(f"--volume={AUTHORITIES}:{AUTHORITIES}:ro")
    options += [f"--build-arg={name}={value}" for name, value in arguments.items()]
    options += [f"--build-context={name}={folder}" for name, folder in folders.items()]
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("wb") as said:
        done = subprocess.run(
            [*_buildah("bud"), *options, f"--tag={reference}", f"--file={dockerfile}", str(context)],
            env=environment(),
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=said,
            timeout=BUILD_SECONDS,
            check=False,
        )
    if done.returncode != 0:
        raise BuildFailedError(f"image {reference} was not built; {log} ends with:\n{tail(log)}")


def save(reference: str, archive: Path) -> None:
    """Write an image as an archive, which `ctr`, `docker load` and `kind load` read."""
    aside = archive.with_suffix(".new")
    with suppress(FileNotFoundError):
        aside.unlink()
    output(*_buildah("push"), reference, f"docker-archive:{aside}:{reference}", seconds=SAVE_SECONDS)
    aside.replace(archive)


def tidy() -> None:
    """Undo the store's mounts; empty it once it is large, for what is in it only saves time."""
    unmount_below(_store())
    files = (path for path in _store().rglob("*") if path.is_file() and not path.is_symlink())
    if sum(path.stat().st_size for path in files) > STORE_BYTES:
        shutil.rmtree(_store())


def _buildah(command: str) -> list[str]:
    where = [f"--root={_store()}/root", f"--runroot={_store()}/run", "--storage-driver=overlay"]
    return ["buildah", *where, command]


def _store() -> Path:
    return cache_dir() / "buildah"
