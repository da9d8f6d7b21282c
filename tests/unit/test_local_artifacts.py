"""Nothing but the locked bytes reaches the cache."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

import pytest
import requests
from tenacity import wait_none

from doublegate.local import download
from doublegate.local.artifacts import Artifact, ArtifactSet, locked
from doublegate.local.download import fetch
from doublegate.local.errors import CorruptArtifactError, LocalStackError

if TYPE_CHECKING:
    from pathlib import Path

CONTENT = b"a jar"
ARTIFACT = Artifact("org.example:thing:1.0", hashlib.sha256(CONTENT).hexdigest(), len(CONTENT))
ARCHIVE = Artifact("org.example:app:2.0:tar.gz:all", hashlib.sha256(CONTENT).hexdigest(), len(CONTENT))


class Repository:
    """In the place of jgo: serves the same bytes for everything, or fails as often as told."""

    content = CONTENT
    failures: list[Exception]
    served: list[tuple[str, ...]]

    def __init__(self, _resolver: Any, repo_cache: Path, **_: Any) -> None:
        self._aside = repo_cache

    def project(self, *names: str) -> Repository:
        self._names = names
        return self

    def at_version(self, version: str) -> Repository:
        self._names += (version,)
        return self

    def artifact(self, *kind: str) -> Repository:
        self._names += kind
        return self

    def resolve(self) -> Path:
        path = self._aside / "file"
        path.write_bytes(b"hal")  # what an interrupted download leaves
        if self.failures:
            raise self.failures.pop()
        path.write_bytes(self.content)
        self.served.append(self._names)
        return path


@pytest.fixture
def repository(monkeypatch: pytest.MonkeyPatch) -> type[Repository]:
    fresh = type("FreshRepository", (Repository,), {"failures": [], "served": []})
    monkeypatch.setattr(download, "MavenContext", fresh)
    monkeypatch.setattr(download._download.retry, "wait", wait_none())
    return fresh


def test_fetched_files_are_in_place_and_told(repository: type[Repository], tmp_path: Path) -> None:
    lines: list[str] = []
    fetch("things", [ARTIFACT, ARCHIVE], tmp_path, lines.append)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["app-2.0-all.tar.gz", "thing-1.0.jar"]
    assert sorted(repository.served) == [
        ("org.example", "app", "2.0", "all", "tar.gz"),
        ("org.example", "thing", "1.0", "", "jar"),
    ]
    assert lines == ["downloading things: 0 of 0 MiB"] * 2


def test_other_bytes_are_refused_and_not_kept(repository: type[Repository], tmp_path: Path) -> None:
    repository.content = b"another jar"
    with pytest.raises(CorruptArtifactError, match=r"not the locked org\.example:thing:1\.0"):
        fetch("things", [ARTIFACT], tmp_path, print)
    assert list(tmp_path.iterdir()) == []


def test_a_lost_connection_is_tried_again(repository: type[Repository], tmp_path: Path) -> None:
    repository.failures = [requests.ConnectionError("reset"), requests.Timeout("slow")]
    fetch("things", [ARTIFACT], tmp_path, print)
    assert (tmp_path / ARTIFACT.filename).read_bytes() == CONTENT


@pytest.mark.parametrize(
    "failures", [[requests.ConnectionError("reset")] * download.ATTEMPTS, [RuntimeError("not found")]]
)
def test_no_repository_is_a_clear_error(
    repository: type[Repository], tmp_path: Path, failures: list[Exception]
) -> None:
    repository.failures = failures
    with pytest.raises(LocalStackError, match=r"can't download org\.example:thing:1\.0: .* start again"):
        fetch("things", [ARTIFACT], tmp_path, print)


@pytest.mark.usefixtures("repository")
def test_leftovers_of_a_killed_run_are_removed(tmp_path: Path) -> None:
    stale = tmp_path / f"{download.ASIDE}x"
    stale.mkdir()
    (stale / ARTIFACT.filename).write_bytes(b"hal")
    fetch("things", [ARTIFACT], tmp_path, print)
    assert [path.name for path in tmp_path.iterdir()] == [ARTIFACT.filename]


def test_only_what_is_missing_is_wanted(tmp_path: Path) -> None:
    (tmp_path / ARTIFACT.filename).write_bytes(CONTENT)
    assert ArtifactSet("1", (ARTIFACT, ARCHIVE)).missing(tmp_path) == [ARCHIVE]


def test_a_file_that_rots_in_the_cache_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / ARTIFACT.filename
    path.write_bytes(CONTENT)
    ARTIFACT.verify(path)
    path.write_bytes(CONTENT + b"!")
    with pytest.raises(CorruptArtifactError, match="delete the file"):
        ARTIFACT.verify(path)


@pytest.mark.parametrize("name", ["kafka", "registry"])
def test_the_lock_pins_every_file(name: str) -> None:
    lock = locked(name)
    assert lock.version in {artifact.parts[2] for artifact in lock.artifacts}
    assert all(len(bytes.fromhex(artifact.sha256)) == 32 and artifact.size > 0 for artifact in lock.artifacts)
    assert len({artifact.filename for artifact in lock.artifacts}) == len(lock.artifacts)


def test_progress_is_told_in_mebibytes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(download, "PROGRESS_SECONDS", -1.0)
    lines: list[str] = []
    with download.Meter("kafka", 3 << 20, lines.append).file("a.jar", 2 << 20) as add:
        add(1 << 20)
        add(1 << 20)
    assert lines == ["downloading kafka: 1 of 3 MiB", "downloading kafka: 2 of 3 MiB"]
