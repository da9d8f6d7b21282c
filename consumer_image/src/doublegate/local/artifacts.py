"""The committed lock of everything that is downloaded: which files, and the checksum of each."""

from __future__ import annotations

import hashlib
import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from doublegate.local.errors import CorruptArtifactError

LOCK = Path(__file__).with_name("artifacts.toml")


@dataclass(frozen=True)
class Artifact:
    """One locked file: `group:artifact:version`, with `:packaging:classifier` where it is not a plain jar."""

    coordinate: str
    sha256: str
    size: int

    @property
    def parts(self) -> tuple[str, str, str, str, str]:
        """Group, artifact, version, packaging and classifier."""
        group, name, version, packaging, classifier = (*self.coordinate.split(":"), "jar", "")[:5]
        return group, name, version, packaging, classifier

    @property
    def filename(self) -> str:
        """The name that the file has in a repository."""
        _, name, version, packaging, classifier = self.parts
        return f"{name}-{version}{'-' if classifier else ''}{classifier}.{packaging}"

    def verify(self, path: Path) -> None:
        """Compare a file with the lock.

        Raises:
            CorruptArtifactError: When it is another file.
        """
        with path.open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
        if found != self.sha256:
            raise CorruptArtifactError(
                f"{path} is not the locked {self.coordinate}: its sha256 is {found}, "
                f"the lock says {self.sha256}; delete the file and start again, it is fetched anew"
            )


@dataclass(frozen=True)
class ArtifactSet:
    """All files of one server at one version."""

    version: str
    artifacts: tuple[Artifact, ...]

    def missing(self, into: Path) -> list[Artifact]:
        """The files that are not in the directory yet."""
        return [artifact for artifact in self.artifacts if not (into / artifact.filename).exists()]


@cache
def locked(name: str) -> ArtifactSet:
    """Read one server's part of the lock."""
    table = tomllib.loads(LOCK.read_text())[name]
    return ArtifactSet(table["version"], tuple(Artifact(**entry) for entry in table["artifacts"]))
