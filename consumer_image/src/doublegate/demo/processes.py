"""The processes that the demo starts beside the servers: named, logged, and ended by pid.

Each holds the read end of a pipe as its standard input and ends when that closes, so that none outlives the
demo, not even after a SIGKILL.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Self

from doublegate.demo.errors import DeadlineExceeded, ProcessDied
from doublegate.local.errors import tail

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

__all__ = ["Child", "Children"]

STOP_SECONDS = 20.0
KILL_SECONDS = 10.0
POLL_SECONDS = 0.05


class Child:
    """One running process.

    Attributes:
        name: what messages call it.
        log: where its output goes.
        killed: we ended it on purpose, as a crash would.
    """

    def __init__(
        self, name: str, arguments: Sequence[str], log: Path, env: Mapping[str, str], cwd: Path
    ) -> None:
        self.name = name
        self.log = log
        self.killed = False
        with log.open("ab") as output:
            self._process = subprocess.Popen(
                [sys.executable, *arguments],
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd=cwd,
                env={**os.environ, **env},
                start_new_session=True,  # a Ctrl-C in our terminal is ours to handle
            )

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    @property
    def exit_code(self) -> int | None:
        """None while it runs."""
        return self._process.poll()

    def check(self) -> None:
        """Make sure that it runs, or ended well.

        Raises:
            ProcessDied: With its log's last lines.
        """
        if not self.killed and self.exit_code:
            ended = f"signal {-self.exit_code}" if self.exit_code < 0 else f"exit code {self.exit_code}"
            raise ProcessDied(
                f"{self.name} ended with {ended}; its log is {self.log}, which ends with:\n{tail(self.log)}"
            )

    def kill(self) -> None:
        """SIGKILL: no handler of it runs, nothing is handed over."""
        self.killed = True
        self._process.kill()
        self._process.wait(KILL_SECONDS)

    def terminate(self) -> None:
        """Ask it to end; `wait` for it afterwards."""
        if self.exit_code is None:
            self._process.send_signal(signal.SIGTERM)

    def wait(self, timeout: float) -> None:
        """Wait for its end; kill it when it does not come."""
        try:
            self._process.wait(timeout)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait(KILL_SECONDS)
        if self._process.stdin:
            self._process.stdin.close()


class Children:
    """All of them; as a context manager it ends what is left.

    Args:
        logs: directory of their logs.
    """

    def __init__(self, logs: Path) -> None:
        self._logs = logs
        self._all: list[Child] = []

    def start(
        self, name: str, arguments: Sequence[str], *, cwd: Path, env: Mapping[str, str] | None = None
    ) -> Child:
        """Start `python ARGUMENTS`."""
        self._logs.mkdir(parents=True, exist_ok=True)
        child = Child(name, arguments, self._logs / f"{name}.log", env or {}, cwd)
        self._all.append(child)
        return child

    def check(self) -> None:
        """Raise `ProcessDied` when one ended that should not have."""
        for child in self._all:
            child.check()

    def wait_for(self, what: str, condition: Callable[[], bool], timeout: float) -> None:
        """Wait for a condition while all of them live.

        Raises:
            DeadlineExceeded: Naming what was waited for.
            ProcessDied: When one of them ends instead.
        """
        deadline = time.monotonic() + timeout
        while not condition():
            self.check()
            if time.monotonic() > deadline:
                raise DeadlineExceeded(
                    f"{what} took longer than {timeout:.0f} s; the logs are in {self._logs}"
                )
            time.sleep(POLL_SECONDS)

    def stop(self) -> None:
        """End all of them at once."""
        for child in self._all:
            child.terminate()
        deadline = time.monotonic() + STOP_SECONDS
        for child in self._all:
            child.wait(max(0.1, deadline - time.monotonic()))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
