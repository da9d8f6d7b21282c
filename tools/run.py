"""Running a program to its end, with its words in the error when it fails."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

from doublegate.local.errors import LocalStackError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

__all__ = ["ProgramFailed", "environment", "output", "succeeds"]

SECONDS = 60.0
LAST_LINES = 15


class ProgramFailed(LocalStackError):
    """A program ended with an error; the message has its last lines."""


def environment(more: Mapping[str, str] | None = None) -> dict[str, str]:
    """Ours, with the directories that the PATH of a root shell made by `su` lacks."""
    path = os.pathsep.join((os.environ.get("PATH", ""), "/usr/sbin", "/sbin"))
    return {**os.environ, "PATH": path, **(more or {})}


def output(
    *command: str | Path,
    stdin: str | None = None,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    seconds: float = SECONDS,
) -> str:
    """Run a program; returns what it printed.

    Raises:
        ProgramFailed: It is not there, took too long or ended with an error.
    """
    done = _run(command, stdin, env, cwd, seconds)
    if done.returncode != 0:
        said = "\n".join((done.stderr or done.stdout).strip().splitlines()[-LAST_LINES:])
        raise ProgramFailed(f"`{_shown(command)}` ended with {done.returncode}: {said}")
    return done.stdout


def succeeds(*command: str | Path, seconds: float = SECONDS) -> bool:
    """Whether a program ends well."""
    return _run(command, None, None, None, seconds).returncode == 0


def _run(
    command: Sequence[str | Path],
    stdin: str | None,
    env: Mapping[str, str] | None,
    cwd: Path | None,
    seconds: float,
) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(
            [str(word) for word in command],
            input=stdin if stdin is not None else "",
            env=environment(env),
            cwd=cwd,
            capture_output=True,
            text=True,
            timeout=seconds,
            check=False,
        )
    except OSError as error:
        raise ProgramFailed(f"`{command[0]}` can't be started: {error.strerror}") from error
    except subprocess.TimeoutExpired as error:
        raise ProgramFailed(f"`{_shown(command)}` took longer than {seconds:.0f} s") from error


def _shown(command: Sequence[str | Path]) -> str:
    return " ".join(map(str, command))
