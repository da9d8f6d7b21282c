"""How one image is made, and the key under which it is kept: what goes in decides, not when it was built."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

__all__ = ["LOCAL", "Folder", "Recipe", "digest_of_files"]

LOCAL = "localhost/doublegate"
KEY_DIGITS = 12


@dataclass(frozen=True)
class Folder:
    """A folder that is not in the repository, and the version that stands for all that is in it."""

    path: Path
    version: str


@dataclass(frozen=True)
class Recipe:
    """One image.

    Attributes:
        name: as options and messages call it.
        dockerfile: how it is built.
        on_base: whether it stands on the base image.
        context: its build context; by default the Dockerfile's directory.
        watched: what of the context goes into the image.
        folders: named build contexts, asked for when they are there.
        arguments: build arguments besides the base.
    """

    name: str
    dockerfile: Path
    on_base: bool = True
    context: Path | None = None
    watched: tuple[str, ...] = (".",)
    folders: Callable[[], Mapping[str, Folder]] = field(default=dict)
    arguments: Mapping[str, str] = field(default_factory=dict)

    @property
    def directory(self) -> Path:
        """The build context."""
        return self.context or self.dockerfile.parent

    def key(self, base: str) -> str:
        """Changes with everything that goes into the image.

        Args:
            base: key of the base image.
        """
        hashed = hashlib.sha256()
        hashed.update(digest_of_files(self.dockerfile.parent, [self.dockerfile]).encode())
        paths = [path for name in self.watched for path in _files(self.directory / name)]
        hashed.update(digest_of_files(self.directory, paths).encode())
        versions = {name: folder.version for name, folder in self.folders().items()}
        for name, value in sorted([*versions.items(), *self.arguments.items()]):
            hashed.update(f"{name}={value}\n".encode())
        if self.on_base:
            hashed.update(base.encode())
        return hashed.hexdigest()[:KEY_DIGITS]

    def reference(self, key: str) -> str:
        """The image's name in the node."""
        return f"{LOCAL}/{self.name}:{key}"


def digest_of_files(root: Path, paths: list[Path]) -> str:
    """A digest of names, contents and modes."""
    hashed = hashlib.sha256()
    for path in sorted(paths):
        content = hashlib.sha256(path.read_bytes()).hexdigest()
        hashed.update(f"{path.relative_to(root)} {path.stat().st_mode & 0o111:o} {content}\n".encode())
    return hashed.hexdigest()


def _files(path: Path) -> list[Path]:
    if path.is_file():
        return [path]
    return [file for file in path.rglob("*") if file.is_file() and "__pycache__" not in file.parts]
