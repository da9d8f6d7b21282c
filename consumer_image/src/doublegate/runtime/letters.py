"""Dead letters on the engine's side: written, acknowledged, recorded as FAILED, and only then passed."""

import logging
from collections.abc import Callable
from datetime import UTC, datetime

from doublegate.contract.deadletter import DeadLetter, DeadLetterReason
from doublegate.runtime.books import Books
from doublegate.runtime.deadletters import DeadLetterWriter
from doublegate.runtime.mailbox import Mailbox, Timers
from doublegate.runtime.record import Record, Stage
from doublegate.runtime.report import Report
from doublegate.runtime.state import State

__all__ = ["Letters"]

log = logging.getLogger(__name__)

_REWRITE_SECONDS = 2.0


class Letters:
    """Sees every dead letter to its acknowledgement; the engine's thread only.

    A letter that can't be written is written again until it can; meanwhile nothing new starts.
    """

    def __init__(
        self, group: str, state: State, books: Books, report: Report, mailbox: Mailbox, timers: Timers
    ) -> None:
        self._group = group
        self._state = state
        self._books = books
        self._report = report
        self._mailbox = mailbox
        self._timers = timers
        self._writer: DeadLetterWriter | None = None
        self._waiting: dict[int, tuple[Record, DeadLetter]] = {}
        self.blocked = False
        """The DLQ refused the last letter."""
        self.acknowledged_hook: Callable[[Record], None] = lambda _: None
        """Told of every letter that is safe."""

    def connect(self, writer: DeadLetterWriter) -> None:
        """Give it the producer, whose acknowledgements come to `acknowledged`."""
        self._writer = writer

    def write(self, record: Record, reason: DeadLetterReason, error: str) -> None:
        """Send the record to the DLQ."""
        _, timestamp = record.message.timestamp()
        letter = DeadLetter(
            reason=reason,
            error=error,
            attempt=record.attempt,
            topic=record.partition.name.topic,
            partition=record.partition.name.partition,
            offset=record.offset,
            timestamp_ms=timestamp,
            group=self._group,
            failed_at=datetime.now(UTC),
            reprocess=record.order,
        )
        record.stage = Stage.SETTLING
        self._waiting[id(record)] = (record, letter)
        self._send(record)

    def acknowledged(self, record: Record, error: str | None) -> None:
        """From the writer's thread: the letter is safe, or why it is not."""
        self._mailbox.put(self._acknowledged, record, error)

    def _send(self, record: Record) -> None:
        if self._writer is None:
            raise RuntimeError("letters are written before connect()")
        self._writer.write(record, self._waiting[id(record)][1])

    def _acknowledged(self, record: Record, error: str | None) -> None:
        if error is not None:
            if not self.blocked:
                log.error(
                    "dead letter refused: %s; paused until the DLQ takes it. Does the topic exist, may "
                    "this consumer write to it?",
                    error,
                )
            self.blocked = True
            self._timers.after(_REWRITE_SECONDS, self._send, record)
            return
        self.blocked = False
        _, letter = self._waiting.pop(id(record))
        self._report.dead_letter(record, letter)
        self.acknowledged_hook(record)
        if record.claimless:
            self._state.finish([record])
        else:
            self._books.fail(record)
