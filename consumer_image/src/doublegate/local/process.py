"""Server processes: started in their own session, known by pid and start time, stopped with deadlines."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

import psutil

from doublegate.local.errors import LocalStackError
from doublegate.local.model import Health

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

TERM_SECONDS = 20.0
KILL_SECONDS = 10.0
POLL_SECONDS = 0.02
CLOCK_SLACK = 1.0  # start times are derived from the boot time, which moves when the clock is set


@dataclass(frozen=True)
class Handle:
    """One process that we started; a reused pid is told apart by its start time."""

    pid: int
    started: float
    stop_signal: int = signal.SIGTERM

    def process(self) -> psutil.Process | None:
        """The process, if it is still the one that we started and no zombie."""
        try:
            process = psutil.Process(self.pid)
            ours = abs(process.create_time() - self.started) < CLOCK_SLACK
        except psutil.NoSuchProcess:
            return None
        return process if ours and _lives(process) else None

    def health(self) -> Health:
        """Whether it runs."""
        process = self.process()
        with suppress(psutil.NoSuchProcess):
            if process is not None:
                return Health.PAUSED if process.status() == psutil.STATUS_STOPPED else Health.RUNNING
        return Health.STOPPED

    def signal(self, number: int) -> None:
        """Send a signal to the process and all its descendants."""
        for process in self._tree():
            _send(process, number)

    def kill(self) -> None:
        """End it with all its descendants at once, as a crash would."""
        doomed = self._tree()
        for process in doomed:
            _send(process, signal.SIGKILL)
        _reject_survivors(_survivors(doomed, KILL_SECONDS))

    def stop(self) -> None:
        """Ask it to end; after a deadline, kill what is left."""
        tree = self._tree()
        if not tree:
            return
        _send(tree[0], self.stop_signal)
        for process in tree:
            _send(process, signal.SIGCONT)  # a paused server could not obey
        stubborn = _survivors(tree, TERM_SECONDS)
        for process in stubborn:
            _send(process, signal.SIGKILL)
        _reject_survivors(_survivors(stubborn, KILL_SECONDS))

    def _tree(self) -> list[psutil.Process]:
        # Descendants by parentage, not by process group: PostgreSQL gives each backend a group of its own.
        process = self.process()
        if process is None:
            return []
        try:
            return [process, *process.children(recursive=True)]
        except psutil.NoSuchProcess:
            return []


def spawn(
    argv: Sequence[str], *, log: Path, cwd: Path, env: Mapping[str, str], stop_signal: int = signal.SIGTERM
) -> Handle:
    """Start a server that a Ctrl-C in our terminal does not reach; its output goes to the log."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as output:
        child = subprocess.Popen(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            cwd=cwd,
            env={**os.environ, **env},
            start_new_session=True,
        )
    child.returncode = 0  # psutil reaps it; Popen shall not warn that it is left running
    return Handle(child.pid, psutil.Process(child.pid).create_time(), stop_signal)


def _send(process: psutil.Process, number: int) -> None:
    with suppress(psutil.NoSuchProcess):
        process.send_signal(number)


def _lives(process: psutil.Process) -> bool:
    # A zombie has ended. Our own child is reaped here; an orphan waits for PID 1, which may take its time,
    # and psutil's own waiting would wait along.
    try:
        if process.status() != psutil.STATUS_ZOMBIE:
            return bool(process.is_running())
        process.wait(timeout=0)
    except (psutil.NoSuchProcess, psutil.TimeoutExpired):
        pass
    return False


def _survivors(processes: Sequence[psutil.Process], seconds: float) -> list[psutil.Process]:
    deadline = time.monotonic() + seconds
    while (alive := [process for process in processes if _lives(process)]) and time.monotonic() < deadline:
        time.sleep(POLL_SECONDS)
    return alive


def _reject_survivors(alive: Sequence[psutil.Process]) -> None:
    if alive:
        pids = ", ".join(str(process.pid) for process in alive)
        raise LocalStackError(f"processes {pids} survive SIGKILL; look at them with ps before starting again")
