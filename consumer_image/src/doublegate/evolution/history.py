"""The earlier versions of a file, from Git."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

from doublegate.evolution.errors import CannotCheck

__all__ = ["Commit", "earlier_texts"]

_SECONDS = 60
_SHORT = 7
_MARK = "\x01"
_LOG = (
    *("-c", "core.quotePath=false", "log", "--follow", "--diff-filter=d", "--diff-merges=first-parent"),
    *("--name-only", f"--format={_MARK}%H"),
)

Commit = tuple[str, str]
"""A commit's short hash, and the file's content there."""


def earlier_texts(file: Path) -> list[Commit]:
    """What the file said in each commit that changed it, newest first.

    It is followed through folders. A file of another name is another subject, so a renaming ends it.

    Raises:
        CannotCheck: there is no Git, no repository, or not all of its history.
    """
    folder, name = file.parent, file.name
    if _git(folder, "rev-parse", "--is-shallow-repository").strip() == "true":
        raise CannotCheck(
            f"{file}: the clone has only a part of the history; run `git fetch --unshallow` (on GitHub, "
            "give actions/checkout `fetch-depth: 0`)"
        )
    if not _git(folder, "rev-list", "--all", "--max-count=1"):
        return []  # no commit yet
    # A merge is compared with its first parent: what it made of two branches is a version too.
    log = _git(folder, *_LOG, "--", name)
    return [
        (commit[:_SHORT], _git(folder, "show", f"{commit}:{path}")) for commit, path in _same_name(log, name)
    ]


def _same_name(log: str, name: str) -> Iterator[tuple[str, str]]:
    for entry in log.split(_MARK)[1:]:
        commit, *paths = entry.split()
        path = entry.strip().rpartition("\n")[2] if paths else ""
        if path.rpartition("/")[2] != name:
            return
        yield commit, path


def _git(folder: Path, *arguments: str) -> str:
    try:
        ended = subprocess.run(
            ["git", "-C", str(folder), *arguments], capture_output=True, timeout=_SECONDS, check=False
        )
    except FileNotFoundError as error:
        raise CannotCheck("git is not installed; earlier versions are read from it, so install it") from error
    if ended.returncode:
        why = ended.stderr.decode(errors="replace").strip().partition("\n")[0]
        raise CannotCheck(
            f"{folder}: git can't read the history: {why}; run the check inside of the schemas' repository"
        )
    return ended.stdout.decode(errors="replace")
