"""What a call's transaction with the inbox has come to. No I/O."""

from collections.abc import Sequence
from typing import Any

import psycopg
from psycopg.pq import ConnStatus, TransactionStatus

from doublegate.contract.deadletter import DeadLetterReason
from doublegate.contract.states import UnknownCause
from doublegate.gate.inbox import Row, Seen
from doublegate.runtime.executors_batch import Call, Pair, Verdict
from doublegate.runtime.executors_outcomes import describe
from doublegate.runtime.outcome import Attempt, Outcome, done, not_done, rejected, unknown

__all__ = ["CallTransaction"]

_DUPLICATE = Attempt(Outcome.DONE, duplicate=True)
_CONFLICT = rejected("the same id was performed with another payload", DeadLetterReason.CONFLICT)
_UNSURE = not_done("the inbox's row went while it was read", wait=True)


class CallTransaction:
    """The transaction of one call: which events are fresh, and how each ends.

    Args:
        call: the call.
    """

    def __init__(self, call: Call) -> None:
        self._call = call
        self.rows = [
            Row(r.key, r.digest, r.partition.topic_id, r.partition.name.partition, r.offset)
            for r, _ in call.pairs
        ]
        self.fresh: list[int] = []
        self.attempts: list[Attempt] = []
        self.shared: Attempt | None = None
        self.committing = False

    def seen(self, verdicts: Sequence[Seen]) -> list[Pair]:
        """The inbox has answered; returns the pairs to perform.

        Raises:
            psycopg.Rollback: there are none, and nothing to commit.
        """
        ends = {Seen.DUPLICATE: _DUPLICATE, Seen.CONFLICT: _CONFLICT, Seen.UNSURE: _UNSURE}
        self.attempts = [ends.get(verdict, _UNSURE) for verdict in verdicts]
        self.fresh = [place for place, verdict in enumerate(verdicts) if verdict is Seen.FRESH]
        if not self.fresh:
            raise psycopg.Rollback
        return [self._call.pairs[place] for place in self.fresh]

    def performed(self, verdict: Verdict, connection: psycopg.Connection[Any] | Any) -> list[bytes]:
        """The handler has ended; returns the keys of events that it names as failed.

        Raises:
            psycopg.Rollback: nothing of it may be committed.
        """
        for place, attempt in zip(self.fresh, verdict.attempts, strict=True):
            self.attempts[place] = attempt
        shared = verdict.shared
        broken = connection.pgconn.status != ConnStatus.OK
        if shared is not None:
            # The database went away under the handler: that is not the event's fault.
            excused = broken and shared.outcome is Outcome.NOT_DONE and not shared.final
            self.fail(not_done(shared.error, wait=True) if excused else shared)
        elif broken:
            self.fail(not_done("the connection ended before the COMMIT", wait=True))
        elif connection.info.transaction_status != TransactionStatus.INTRANS:
            self.fail(not_done("the handler left its transaction in a failed state"))
        else:
            failed = [p for p in self.fresh if self.attempts[p].outcome is not Outcome.DONE]
            return [self.rows[place].key for place in failed]
        raise psycopg.Rollback

    def fail(self, shared: Attempt) -> None:
        """All that were to be performed failed together; what the inbox knew stays known."""
        self.shared = shared
        if not self.attempts:
            self.attempts = [shared] * len(self.rows)
        for place in self.fresh:
            self.attempts[place] = shared

    def ended(self, status: psycopg.Transaction.Status) -> None:
        """The transaction's block is over, without an error."""
        if self.committing and status is not psycopg.Transaction.Status.COMMITTED:
            self.fail(not_done("the connection ended before the COMMIT", wait=True))

    def raised(self, error: psycopg.Error, connection: psycopg.Connection[Any] | Any) -> list[Row]:
        """A statement of ours failed; returns the rows whose COMMIT got no answer."""
        if not self.committing:
            self.fail(not_done(describe(error), wait=True))
        elif connection.pgconn.status == ConnStatus.OK:  # the server refused: a deferred constraint, say
            self.fail(not_done(describe(error)))
        else:
            return [self.rows[p] for p in self.fresh if self.attempts[p].outcome is Outcome.DONE]
        return []

    def settled(self, verdicts: list[Seen] | None, error: psycopg.Error) -> None:
        """What became of the COMMIT that got no answer, if that could be learned."""
        ends = {
            Seen.DUPLICATE: done(),
            Seen.CONFLICT: _CONFLICT,
            Seen.FRESH: not_done(f"the COMMIT did not happen: {describe(error)}", wait=True),
        }
        lost = unknown(f"the COMMIT got no answer: {describe(error)}", UnknownCause.COMMIT_LOST)
        places = [p for p in self.fresh if self.attempts[p].outcome is Outcome.DONE]
        for number, place in enumerate(places):
            self.attempts[place] = lost if verdicts is None else ends.get(verdicts[number], lost)

    def verdict(self) -> Verdict:
        """Of the call."""
        return Verdict(self.attempts, self.shared)
