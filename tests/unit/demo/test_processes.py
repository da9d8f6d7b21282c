import time

import psutil
import pytest

from doublegate.demo.errors import DeadlineExceeded, ProcessDied
from doublegate.demo.processes import Children

SLEEP = ["-c", "import time; time.sleep(600)"]
STUBBORN = [
    "-c",
    "import signal, time; signal.signal(15, signal.SIG_IGN); print('up', flush=True); time.sleep(600)",
]


def test_all_of_them_end_with_the_block(tmp_path):
    with Children(tmp_path) as children:
        pids = [children.start(name, SLEEP, cwd=tmp_path).pid for name in ("one", "two")]
    assert not any(map(psutil.pid_exists, pids))


def test_they_end_after_an_error_too(tmp_path):
    children = Children(tmp_path)

    def fail():
        with children:
            pids.append(children.start("one", SLEEP, cwd=tmp_path).pid)
            raise RuntimeError("boom")

    pids = []
    with pytest.raises(RuntimeError, match="boom"):
        fail()
    assert not psutil.pid_exists(pids[0])


def test_one_that_ignores_sigterm_is_killed(tmp_path, monkeypatch):
    monkeypatch.setattr("doublegate.demo.processes.STOP_SECONDS", 0.5)
    with Children(tmp_path) as children:
        child = children.start("stubborn", STUBBORN, cwd=tmp_path)
        children.wait_for("its start", lambda: "up" in child.log.read_text(), 20)
    assert child.exit_code == -9


def test_a_death_names_the_process_and_ends_with_its_log(tmp_path):
    with Children(tmp_path) as children:
        child = children.start("consumer-1", ["-c", "import sys; sys.exit('no ledger')"], cwd=tmp_path)
        with pytest.raises(
            ProcessDied, match=r"(?s)consumer-1 ended with exit code 1.*consumer-1.log.*no ledger"
        ):
            children.wait_for("readiness", lambda: False, 20)
        assert child.exit_code == 1


def test_a_killed_one_is_no_surprise_and_one_that_is_done_neither(tmp_path):
    with Children(tmp_path) as children:
        done = children.start("publisher", ["-c", "pass"], cwd=tmp_path)
        children.start("victim", SLEEP, cwd=tmp_path).kill()
        children.wait_for("the end", lambda: done.exit_code == 0, 20)
        children.check()


def test_a_wait_has_its_deadline_and_says_what_for(tmp_path):
    began = time.monotonic()
    with (
        Children(tmp_path) as children,
        pytest.raises(DeadlineExceeded, match=r"the start took longer than 0 s"),
    ):
        children.wait_for("the start", lambda: False, 0.2)
    assert time.monotonic() - began < 10
