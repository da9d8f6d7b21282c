"""Only our own processes are stopped, and those entirely."""

from __future__ import annotations

import os
import signal
import sys
from dataclasses import replace
from typing import TYPE_CHECKING

import psutil
import pytest

from doublegate.local import process
from doublegate.local.model import Health
from doublegate.local.process import Handle, spawn
from tests.helpers import eventually

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

SLEEP = "import time; print('READY', flush=True); time.sleep(600)"
STUBBORN = f"import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); {SLEEP}"
PARENT = (
    f"import subprocess, sys; subprocess.Popen([sys.executable, '-c', {SLEEP!r}], process_group=0); {SLEEP}"
)


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[[str], Handle]]:
    """Starts Python programs that say so, and leaves none of them behind."""
    handles: list[Handle] = []

    def run(program: str) -> Handle:
        log = tmp_path / f"{len(handles)}.log"
        handles.append(spawn([sys.executable, "-c", program], log=log, cwd=tmp_path, env={}))
        expected = program.count("READY")
        eventually(lambda: log.read_text().count("READY") == expected)
        return handles[-1]

    yield run
    for handle in handles:
        handle.kill()


def test_a_server_is_out_of_reach_of_the_terminal(start: Callable[[str], Handle]) -> None:
    handle = start(SLEEP)
    assert os.getsid(handle.pid) == handle.pid
    assert handle.health() is Health.RUNNING


def test_stop_ends_it_and_is_quiet_when_it_has_ended(start: Callable[[str], Handle]) -> None:
    handle = start(SLEEP)
    handle.stop()
    assert handle.health() is Health.STOPPED
    assert not psutil.pid_exists(handle.pid)
    handle.stop()


def test_stop_kills_what_ignores_it(start: Callable[[str], Handle], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "TERM_SECONDS", 0.2)
    handle = start(STUBBORN)
    handle.stop()
    assert handle.health() is Health.STOPPED


@pytest.mark.parametrize("end", [Handle.stop, Handle.kill])
def test_descendants_in_other_groups_end_too(
    start: Callable[[str], Handle], monkeypatch: pytest.MonkeyPatch, end: Callable[[Handle], None]
) -> None:
    monkeypatch.setattr(process, "TERM_SECONDS", 0.2)
    handle = start(PARENT)
    [child] = psutil.Process(handle.pid).children()
    end(handle)
    assert handle.health() is Health.STOPPED
    assert not child.is_running() or child.status() == psutil.STATUS_ZOMBIE


def test_pause_and_resume_are_seen_and_a_paused_one_stops(start: Callable[[str], Handle]) -> None:
    handle = start(SLEEP)
    handle.signal(signal.SIGSTOP)
    eventually(lambda: handle.health() is Health.PAUSED)
    handle.signal(signal.SIGCONT)
    eventually(lambda: handle.health() is Health.RUNNING)
    handle.signal(signal.SIGSTOP)
    handle.stop()
    assert handle.health() is Health.STOPPED


def test_a_reused_pid_is_left_alone(start: Callable[[str], Handle]) -> None:
    handle = start(SLEEP)
    former = replace(handle, started=handle.started - 60)
    former.stop()
    former.kill()
    assert former.health() is Health.STOPPED
    assert handle.health() is Health.RUNNING


def test_one_that_ended_by_itself_is_stopped_not_a_zombie(start: Callable[[str], Handle]) -> None:
    handle = start("print('READY')")
    eventually(lambda: handle.health() is Health.STOPPED)
    eventually(lambda: handle.process() is None and not psutil.pid_exists(handle.pid))
