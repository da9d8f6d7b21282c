"""The base image: Debian's essential packages and Python, and the usual authorities, from its mirrors."""

from __future__ import annotations

import hashlib
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from doublegate.local.cache import cache_dir
from tools.images import buildah
from tools.images.recipe import KEY_DIGITS, LOCAL
from tools.run import output

if TYPE_CHECKING:
    from doublegate.local.servers.base import Progress

__all__ = ["KEY", "REFERENCE", "provide"]

SUITE = "bookworm"
PACKAGES = ("usr-is-merged", "python3-venv", "ca-certificates", "libstdc++6")  # the last for numpy and others
LEFT_OUT = ("doc", "info", "locale", "man")
RECIPE = (
    "mmdebstrap",
    "--variant=essential",
    f"--include={','.join(PACKAGES)}",
    "--hook-dir=/usr/share/mmdebstrap/hooks/merged-usr",  # or the transition would bring all of Perl
    *(f"--dpkgopt=path-exclude=/usr/share/{folder}/*" for folder in LEFT_OUT),
    "--dpkgopt=path-exclude=/usr/lib/*-linux-gnu/gconv/*",
    "--skip=output/dev",
    "--format=tar",
    SUITE,
)
SECONDS = 900
DOCKERFILE = Path(__file__).parent / "base" / "Dockerfile"
KEY = hashlib.sha256("\n".join((*RECIPE, DOCKERFILE.read_text())).encode()).hexdigest()[:KEY_DIGITS]
REFERENCE = f"{LOCAL}/base:{KEY}"


def provide(archives: Path, on_progress: Progress) -> None:
    """Make it available to builds. It stays as it is until its archive is deleted."""
    rootfs = archives / f"base-{KEY}.tar"
    if not rootfs.exists():
        on_progress(f"making the base image from Debian {SUITE}")
        aside = rootfs.with_suffix(".new")
        aside.unlink(missing_ok=True)
        # The same packages make the same bytes, whenever that is.
        output(*RECIPE, aside, env={"SOURCE_DATE_EPOCH": "0", "TMPDIR": "/var/tmp"}, seconds=SECONDS)  # noqa: S108
        aside.replace(rootfs)
    with TemporaryDirectory(dir=archives) as context:
        Path(context, "rootfs.tar").hardlink_to(rootfs)
        buildah.build(
            REFERENCE,
            DOCKERFILE,
            Path(context),
            arguments={},
            folders={},
            log=cache_dir() / "images" / "base.log",
        )
