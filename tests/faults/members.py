"""The consumer processes of a run, and who starts them anew when they end, as a Deployment would."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from typing import TYPE_CHECKING, Any, Self

from doublegate.local.ports import LOOPBACK, free_ports
from tests.faults.plan import PARTITIONS
from tests.helpers import eventually

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

__all__ = ["Member", "Members"]

RESTART_SECONDS = 0.5
STOP_SECONDS = 60.0
READY_SECONDS = 40.0


class Member:
    """One process at a time, under one name.

    Attributes:
        wanted: it shall run, and is started again when it ends.
        pids: of all its processes so far.
    """

    def __init__(self, name: str, command: list[str], env: Mapping[str, str], folder: Path) -> None:
        self.name = name
        self.wanted = True
        self.pids: list[int] = []
        self.exits: list[int] = []
        self._command = command
        self._env = dict(env)
        self._folder = folder
        self._lock = threading.Lock()
        self.start()

    def start(self) -> None:
        """Start a process."""
        (self.port,) = free_ports(1)
        log = self._folder / f"{self.name}-{len(self.pids)}.log"
        with log.open("wb") as output:
            self._child = subprocess.Popen(
                [*self._command, str(self.port)],
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=output,
                env={**os.environ, **self._env},
            )
        self._env.pop("FAULTS_POINT", None)  # once is enough
        self.pids.append(self._child.pid)

    def signal(self, number: signal.Signals) -> None:
        """Send a signal; nothing happens to one that has ended."""
        if self._child.poll() is None:
            self._child.send_signal(number)

    @property
    def alive(self) -> bool:
        """Whether its process runs."""
        return self._child.poll() is None

    def stop(self) -> None:
        """SIGTERM, and wait for the end; it stays stopped."""
        self.wanted = False
        with self._lock:
            self.signal(signal.SIGCONT)
            self.signal(signal.SIGTERM)
            try:
                self._child.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                self._child.kill()
                self._child.wait(STOP_SECONDS)
                raise AssertionError(f"{self.name} did not end within {STOP_SECONDS} s of SIGTERM") from None

    def kill(self) -> None:
        """SIGKILL."""
        self.signal(signal.SIGKILL)

    def revive(self) -> None:
        """Start it again if it has ended and is wanted."""
        with self._lock:
            if self.wanted and (code := self._child.poll()) is not None:
                self.exits.append(code)
                self.start()

    def status(self) -> dict[str, Any]:
        """What it says of itself; nothing when it does not answer."""
        try:
            with urllib.request.urlopen(f"http://{LOOPBACK}:{self.port}/status", timeout=2) as answer:
                found: dict[str, Any] = json.load(answer)
        except (OSError, ValueError):
            return {}
        return found

    @property
    def holds(self) -> set[tuple[str, int]]:
        """The partitions it has: of the topic, or the group's replay topic."""
        return {(one["topic"], one["partition"]) for one in self.status().get("partitions", ())}

    @property
    def ready(self) -> bool:
        """Whether `/readyz` says so."""
        try:
            with urllib.request.urlopen(f"http://{LOOPBACK}:{self.port}/readyz", timeout=2):
                return True
        except (OSError, urllib.error.HTTPError):
            return False


class Members:
    """All of a run's; a context manager.

    Args:
        resource: their YAML.
        env: of the processes.
        folder: of their logs.
    """

    def __init__(self, resource: Path, env: Mapping[str, str], folder: Path) -> None:
        self._resource = resource
        self._env = env
        self._folder = folder
        self.all: list[Member] = []
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()
        for member in self.all:
            member.wanted = False
            member.signal(signal.SIGCONT)
            member.kill()

    def add(self, **env: str) -> Member:
        """Another member."""
        command = [sys.executable, "-m", "tests.faults.member", str(self._resource)]
        member = Member(f"member-{len(self.all)}", command, {**self._env, **env}, self._folder)
        self.all.append(member)
        return member

    @property
    def wanted(self) -> list[Member]:
        """Those that shall run."""
        return [member for member in self.all if member.wanted]

    def wait_ready(self, topic: str) -> None:
        """All of them are and have work, and the topic is all taken.

        A member's whole part may be the group's replay topic.
        """
        eventually(lambda: self._work_on(topic), READY_SECONDS)

    def _work_on(self, topic: str) -> bool:
        parts = [member.holds if member.ready else set() for member in self.wanted]
        return all(parts) and {(topic, number) for number in range(PARTITIONS)} <= set().union(*parts)

    def stop(self) -> None:
        """Stop all, each in good order."""
        threads = [threading.Thread(target=member.stop) for member in self.wanted]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def lines(self) -> Iterator[dict[str, Any]]:
        """What they logged."""
        for path in sorted(self._folder.glob("member-*.log")):
            for line in path.read_text(errors="replace").splitlines():
                if line.startswith("{"):
                    try:
                        yield json.loads(line) | {"file": path.name}
                    except ValueError:  # cut short by a SIGKILL
                        continue

    def _watch(self) -> None:
        while not self._ended.wait(0.1):
            for member in list(self.all):
                if member.wanted and not member.alive:
                    time.sleep(RESTART_SECONDS)
                    if not self._ended.is_set():
                        member.revive()
