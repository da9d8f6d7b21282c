"""A replay as the Job of a DeadLetterReplay: goes on where it was, tells how far it is, waits for the end."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

from doublegate.contract.errors import DoublegateError
from doublegate.contract.replay_progress import ReplayProgress
from doublegate.deadletters.replay_outcome import await_outcome
from doublegate.telemetry.server import StatusServer

if TYPE_CHECKING:
    from pathlib import Path

    from doublegate.deadletters.replay import Replay, ReplayReport

__all__ = ["ReplayJob"]

LONGEST_ERROR = 1024
LONGEST_REPORT = 4096
"""Bytes of a termination message that Kubernetes keeps."""


class ReplayJob:
    """One run of it.

    Args:
        replay: what to send.
        report: file for how it ended; none when absent.
    """

    def __init__(self, replay: Replay, report: Path | None) -> None:
        self._replay = replay
        self._report = report
        self._progress = ReplayProgress(replay_id=replay.replay_id, dry_run=replay.dry_run)

    def run(self, port: int | None) -> ReplayProgress:
        """Send, wait until the group is done, and say how it ended.

        Args:
            port: where to serve `/status` meanwhile; nowhere when absent.

        Raises:
            DoublegateError: It can't go on; what was sent is committed, and the next run goes on from there.
        """
        with ExitStack() as stack:
            if port is not None:
                stack.enter_context(StatusServer(self, lambda: (b"", "text/plain"), port=port))
            try:
                self._carry_out()
            except DoublegateError as error:
                self._tell(error=str(error)[:LONGEST_ERROR])
                raise
            finally:
                self._write()
        return self._progress

    def _carry_out(self) -> None:
        report = self._replay.run(self._see)
        self._see(report)
        if self._replay.dry_run:
            return
        self._tell(sent=True)
        outcome = await_outcome(self._replay, report)
        self._tell(done=outcome.done, failed_again=outcome.failed_again)

    def _see(self, report: ReplayReport) -> None:
        self._tell(
            matched=report.matched,
            replayed=report.replayed,
            skipped=dict(report.skipped),
            position={str(partition): offset for partition, offset in report.position.items()},
            complete=report.complete,
        )

    def _tell(self, **change: Any) -> None:
        self._progress = self._progress.model_copy(update=change)

    def _write(self) -> None:
        if self._report is None:
            return
        text = self._progress.model_dump_json(by_alias=True, exclude_none=True)
        if len(text.encode()) > LONGEST_REPORT:
            short = self._progress.model_copy(update={"position": {}})
            text = short.model_dump_json(by_alias=True, exclude_none=True)
        self._report.write_text(text)

    # --- what the status server asks

    def live(self) -> list[str]:
        """Nothing that a restart would mend."""
        return []

    def ready(self) -> list[str]:
        """Nothing that keeps it from working."""
        return []

    def status(self) -> dict[str, Any]:
        """How far it is."""
        return self._progress.model_dump(mode="json", by_alias=True, exclude_none=True)
