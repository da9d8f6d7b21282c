"""The demo as a user runs it, as a process of its own: it proves, and it leaves nothing behind."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from contextlib import contextmanager

import psutil
import pytest

from tests.helpers import eventually

EVENTS = "4000"
SECONDS = 220
FEATURES = {
    "own_write_pending",
    "own_write_shown",
    "own_write_applied",
    "own_write_let_go",
    "backpressure_slows",
    "backpressure_recovers",
    "backpressure_complete",
    "schema_break_found",
    "schema_break_refused",
    "schema_growth_passes",
}
pytestmark = pytest.mark.timeout(300)


@contextmanager
def demo(home, *arguments):
    """Start a demo; kill it and what it started if the test leaves it."""
    command = [sys.executable, "-m", "doublegate.cli", "demo", "--no-traces", "--home", str(home), *arguments]
    child = subprocess.Popen(
        [*command, "--events", EVENTS, "--json"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        yield child
    finally:
        if child.poll() is None:
            child.kill()  # its watchdog and its pipes end the others
        child.communicate(timeout=60)


def sending(child):
    """Read the story until the events are being sent."""
    story = []
    for line in child.stderr:
        story.append(line)
        if line.startswith("sending"):
            return
    raise AssertionError(f"the demo ended before it sent anything:\n{''.join(story)}")


def descendants(child):
    return psutil.Process(child.pid).children(recursive=True)


def all_gone(processes):
    return not [p for p in processes if p.is_running() and p.status() != psutil.STATUS_ZOMBIE]


def test_a_small_run_proves_every_invariant(tmp_path):
    with demo(tmp_path) as child:
        sending(child)
        processes = descendants(child)
        output, story = child.communicate(timeout=SECONDS)
    assert child.returncode == 0, story
    told = json.loads(output)
    assert told["ok"]
    assert told["events_sent"] == int(EVENTS)
    assert told["unique_ids"] == int(EVENTS) - 403
    assert (told["lost"], told["max_effects_per_id"]) == (0, 1)
    assert told["dead_letters"]["conflict"] == 2
    assert told["dead_letters"]["failed"] + told["dead_letters"].get("unknown_outcome", 0) > 0
    assert sum(told["rejected"].values()) > 0
    assert told["replayed"] > 0
    assert told["events_per_second"] > 0
    assert told["trace"]["id"]
    assert told["invariants"].keys() >= FEATURES
    assert "killed consumer-1" in story
    assert "every effect happened once" in story
    eventually(lambda: all_gone(processes))
    assert list(tmp_path.iterdir()) == []


def test_sigterm_ends_everything_it_started(tmp_path):
    with demo(tmp_path) as child:
        sending(child)
        processes = descendants(child)
        assert len(processes) >= 9
        child.send_signal(signal.SIGTERM)
        output, story = child.communicate(timeout=60)
    assert child.returncode == 130
    assert output == ""
    assert "interrupted; everything is stopped" in story
    eventually(lambda: all_gone(processes))


def test_a_server_that_dies_is_named_with_its_log(tmp_path):
    with demo(tmp_path) as child:
        sending(child)
        processes = descendants(child)
        [stack] = tmp_path.glob("run-*/stack/stack.json")
        pid = json.loads(stack.read_text())["services"]["valkey"]["handle"]["pid"]
        psutil.Process(pid).kill()
        _, story = child.communicate(timeout=120)
    assert child.returncode == 2
    assert "valkey died while the demo ran" in story
    assert "valkey.log" in story
    eventually(lambda: all_gone(processes))


def test_a_demo_that_is_killed_leaves_nothing_running(tmp_path):
    with demo(tmp_path) as child:
        sending(child)
        processes = descendants(child)
        child.kill()
        eventually(lambda: all_gone(processes), 60)
