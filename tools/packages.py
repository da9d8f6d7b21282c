"""The programs that come from the distribution: found, or installed by apt."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

from doublegate.local.errors import LocalStackError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from doublegate.local.servers.base import Progress

__all__ = ["FOR_IMAGES", "FOR_THE_CLUSTER", "MissingPackages", "provide"]

FOR_THE_CLUSTER = {
    "ip": "iproute2",  # bridge and addresses
    "nft": "nftables",  # kube-proxy's backend, and our masquerading
    "runc": "runc",  # runs containers; with seccomp, which needs cgo to build
    "mount": "mount",
}
FOR_IMAGES = {
    "buildah": "buildah",  # builds Dockerfiles without a daemon
    "mmdebstrap": "mmdebstrap",  # makes the base image from Debian's packages
    "/usr/share/keyrings/debian-archive-keyring.gpg": "debian-archive-keyring",  # which Ubuntu lacks
    "catatonit": "catatonit",  # the node's pause image: a static init
}
INSTALL_SECONDS = 600


class MissingPackages(LocalStackError):
    """Programs are missing and can't be installed from here."""


def provide(programs: Mapping[str, str], on_progress: Progress) -> None:
    """Install what is missing of the programs, by name of their packages.

    What is there already is used as it is: an installed container engine brings its own runc, and a package
    in its place would remove that engine.

    Raises:
        MissingPackages: Names them and what to do.
    """
    missing = sorted({package for program, package in programs.items() if not _there(program)})
    if not missing:
        return
    names = " ".join(missing)
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        raise MissingPackages(f"these packages are needed: {names}; install them, as root")
    on_progress(f"installing {names}")
    install = ["apt-get", "install", "--yes", "--quiet", "--no-install-recommends", "--no-remove", *missing]
    for command in (["apt-get", "update", "--quiet"], install):
        done = subprocess.run(
            command,
            env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"},
            capture_output=True,
            text=True,
            timeout=INSTALL_SECONDS,
            check=False,
        )
        if done.returncode != 0:
            said = "\n".join((done.stdout + done.stderr).splitlines()[-10:])
            raise MissingPackages(f"`{' '.join(command)}` failed; mend it and start again:\n{said}")


def _there(program: str) -> bool:
    if program.startswith("/"):
        return Path(program).exists()
    # A root shell made by `su` has no sbin on its PATH.
    return any(shutil.which(program, path=path) for path in (None, "/usr/sbin:/sbin"))
