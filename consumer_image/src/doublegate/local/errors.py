"""What can go wrong with the real servers; every message names the cause and the next step."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from doublegate.local.model import Service

TAIL_LINES = 20


class LocalStackError(RuntimeError):
    """Something about the servers on this machine did not work."""


class PortInUseError(LocalStackError):
    """A port that was asked for belongs to another process."""

    def __init__(self, service: Service, port: int) -> None:
        super().__init__(
            f"port {port} on 127.0.0.1, asked for {service}, is in use: "
            "stop the process that listens there or choose another port"
        )


class NotEnoughDiskError(LocalStackError):
    """The servers would fill the disk."""

    def __init__(self, path: Path, *, needed: int, free: int) -> None:
        super().__init__(
            f"not enough disk at {path}: {needed >> 20} MiB are needed, {free >> 20} MiB are free; "
            "free some, or choose another home, or another cache through DOUBLEGATE_CACHE"
        )


class CorruptArtifactError(LocalStackError):
    """A downloaded file is not the one that the lock names."""


class BuildFailedError(LocalStackError):
    """A server that is built from source did not build."""


class ServiceDidNotStart(LocalStackError):
    """A server died or was not ready in time; the message ends with its last log lines."""

    def __init__(self, service: str, reason: str, log: Path) -> None:
        self.service = service
        self.log = log
        super().__init__(
            f"{service} did not start: {reason}; its log is {log}, which ends with:\n{tail(log)}"
        )


def tail(log: Path, lines: int = TAIL_LINES) -> str:
    """The last lines of a log, indented; says so if there are none."""
    text = log.read_text(errors="replace") if log.exists() else ""
    kept = text.splitlines()[-lines:] or ["(empty)"]
    return "\n".join(f"  {line}" for line in kept)
