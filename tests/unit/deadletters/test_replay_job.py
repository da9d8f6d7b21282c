"""What a replay's Job tells while it runs, and at its end."""

from __future__ import annotations

import json
import urllib.request
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

import pytest

from doublegate.contract.replay_progress import ReplayProgress
from doublegate.deadletters import replay_job
from doublegate.deadletters.replay import Replay, ReplayFailed, ReplayReport
from doublegate.deadletters.replay_job import LONGEST_REPORT, ReplayJob
from doublegate.deadletters.replay_outcome import Outcome
from doublegate.local.ports import LOOPBACK, free_ports

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


@dataclass
class Sending:
    """Stands for a Replay: two batches, and what a test does after the first."""

    after_first: Callable[[], None] = lambda: None
    dry_run: bool = False
    replay_id: str = "r-1"
    report: ReplayReport = field(default_factory=lambda: ReplayReport("r-1", dry_run=False))

    def run(self, on_progress: Callable[[ReplayReport], None]) -> ReplayReport:
        self.report.matched, self.report.replayed, self.report.position = 5, 4, {0: 6}
        self.report.skipped = {"conflict": 1}
        on_progress(self.report)
        self.after_first()
        self.report.matched, self.report.replayed, self.report.position = 9, 8, {0: 10}
        return self.report


@pytest.fixture(autouse=True)
def outcome(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(replay_job, "await_outcome", lambda _, report: Outcome(report.replayed - 1, 1))


def run(sending: Sending, report: Path | None, port: int | None = None) -> ReplayProgress:
    return ReplayJob(cast("Replay", sending), report).run(port)


def read(report: Path) -> ReplayProgress:
    return ReplayProgress.model_validate_json(report.read_text())


def test_its_end_says_what_became_of_the_letters(tmp_path: Path) -> None:
    told = run(Sending(), tmp_path / "report")
    assert (told.matched, told.replayed, told.done, told.failed_again) == (9, 8, 7, 1)
    assert (told.sent, told.skipped, told.position) == (True, {"conflict": 1}, {"0": 10})
    assert read(tmp_path / "report") == told


def test_a_dry_run_waits_for_nobody(tmp_path: Path) -> None:
    told = run(Sending(dry_run=True), tmp_path / "report")
    assert (told.replayed, told.sent, told.done, told.failed_again) == (8, False, None, None)


def test_status_follows_it() -> None:
    [port] = free_ports(1)
    seen: list[dict[str, Any]] = []

    def look() -> None:
        with OPENER.open(f"http://{LOOPBACK}:{port}/status", timeout=10) as answer:
            seen.append(json.load(answer))

    run(Sending(look), None, port)
    [status] = seen
    assert ReplayProgress.model_validate(status).replayed == 4
    assert "done" not in status


def test_a_failure_keeps_the_counts_and_says_why(tmp_path: Path) -> None:
    def fail() -> None:
        raise ReplayFailed("the broker went away")

    with pytest.raises(ReplayFailed):
        run(Sending(fail), tmp_path / "report")
    told = read(tmp_path / "report")
    assert (told.replayed, told.error, told.sent) == (4, "the broker went away", False)


def test_a_report_fits_into_a_termination_message(tmp_path: Path) -> None:
    sending = Sending()

    def grow(on_progress: Callable[[ReplayReport], None]) -> ReplayReport:
        sending.report.position = dict.fromkeys(range(1000), 10**12)
        sending.report.replayed = 4
        on_progress(sending.report)
        raise ReplayFailed("é" * 5000)

    sending.run = grow  # type: ignore[method-assign]
    with pytest.raises(ReplayFailed):
        run(sending, tmp_path / "report")
    assert len((tmp_path / "report").read_bytes()) <= LONGEST_REPORT
    assert read(tmp_path / "report").replayed == 4
