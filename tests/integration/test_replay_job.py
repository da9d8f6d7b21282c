"""A replay as the Job of a DeadLetterReplay runs it: one result whatever happens to it, each effect once."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import urllib.request
from typing import TYPE_CHECKING, Any

import yaml

from doublegate.contract.replay_progress import ReplayProgress
from doublegate.local.ports import LOOPBACK, free_ports
from doublegate.runtime.outcome import Reject
from tests.helpers import eventually

if TYPE_CHECKING:
    from pathlib import Path

    from tests.consumers import Group

LETTERS = 12
SECONDS = 60.0
OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class Replays:
    """DeadLetterReplays of a group, as files."""

    def __init__(self, group: Group, folder: Path) -> None:
        self._folder = folder
        self.consumer = folder / "consumer.yaml"
        self.consumer.write_text(yaml.safe_dump(group.resource("m:h")))

    def start(self, name: str, *more: str, **spec: Any) -> subprocess.Popen[str]:
        resource = {
            "apiVersion": "doublegate.dev/v1alpha1",
            "kind": "DeadLetterReplay",
            "metadata": {"name": name, "uid": f"uid-of-{name}"},
            "spec": {"consumerRef": {"name": "test"}, **spec},
        }
        path = self._folder / f"{name}.yaml"
        path.write_text(yaml.safe_dump(resource))
        command = [sys.executable, "-m", "doublegate.cli", "dlq", "replay", f"--consumer={self.consumer}"]
        command += [f"--from={path}", f"--report={self.report(name)}", *more]
        return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def run(self, name: str, **spec: Any) -> ReplayProgress:
        process = self.start(name, **spec)
        out, err = process.communicate(timeout=SECONDS)
        assert process.returncode == 0, err
        told = ReplayProgress.model_validate_json(out)
        assert told == ReplayProgress.model_validate_json(self.report(name).read_text())
        return told

    def report(self, name: str) -> Path:
        return self._folder / f"{name}.report"


def fail_all(group: Group, repaired: Path, *, hopeless: str = "") -> list[str]:
    """Dead letters of a handler that is repaired once a file is there, but for one event."""

    def handle(event: Any) -> None:
        if not repaired.exists() or event.id == hopeless:
            raise Reject("not yet")
        group.effects.add(event.id)

    group.start(handle)
    ids = group.send_many(LETTERS)
    eventually(lambda: len(group.letters()) == LETTERS, SECONDS)
    repaired.touch()
    return ids


def test_it_tells_what_became_of_each_letter(group: Group, tmp_path: Path) -> None:
    ids = fail_all(group, tmp_path / "repaired", hopeless="e-3")
    replays = Replays(group, tmp_path)
    dry = replays.run("look", dryRun=True)
    assert (dry.matched, dry.replayed, dry.done, dry.sent) == (LETTERS, LETTERS, None, False)
    assert len(group.effects) == 0
    first = replays.run("first")
    assert (first.replayed, first.done, first.failed_again) == (LETTERS, LETTERS - 1, 1)
    assert sorted(group.effects.ids) == sorted(set(ids) - {"e-3"})
    again = replays.run("first")
    assert (again.replayed, again.done, again.failed_again) == (LETTERS, LETTERS - 1, 1)
    second = replays.run("second", selector={"reasons": ["failed"]})
    # The letters of the first are still in the topic; e-3 has two, and both fail.
    assert (second.replayed, second.done, second.failed_again) == (LETTERS + 1, LETTERS - 1, 2)
    assert not group.effects.more_than_once()


def test_a_killed_one_goes_on_where_it_was(group: Group, tmp_path: Path) -> None:
    ids = fail_all(group, tmp_path / "repaired")
    replays = Replays(group, tmp_path)
    [port] = free_ports(1)
    process = replays.start("slow", f"--http-port={port}", rate=2)
    try:
        eventually(lambda: _status(port).get("replayed", 0) >= 4, SECONDS)
    finally:
        process.send_signal(signal.SIGKILL)
        process.communicate(timeout=SECONDS)
    assert not replays.report("slow").exists()
    told = replays.run("slow")
    assert (told.matched, told.replayed, told.done, told.failed_again) == (LETTERS, LETTERS, LETTERS, 0)
    assert sorted(group.effects.ids) == sorted(ids)


def test_a_cap_counts_over_all_runs(group: Group, tmp_path: Path) -> None:
    fail_all(group, tmp_path / "repaired")
    replays = Replays(group, tmp_path)
    for _ in range(2):
        told = replays.run("capped", maxEvents=5)
        assert (told.replayed, told.done, told.complete) == (5, 5, False)
    assert len(group.effects) == 5


def test_it_says_why_it_can_not_go_on(group: Group, tmp_path: Path) -> None:
    replays = Replays(group, tmp_path)  # no consumer has run: the group has no topics
    process = replays.start("early")
    _, err = process.communicate(timeout=SECONDS)
    assert process.returncode == 2
    told = ReplayProgress.model_validate_json(replays.report("early").read_text())
    assert told.error is not None
    assert told.error in err
    assert group.replay in told.error


def _status(port: int) -> dict[str, Any]:
    try:
        with OPENER.open(f"http://{LOOPBACK}:{port}/status", timeout=5) as answer:
            return dict(json.load(answer))
    except OSError:
        return {}
