"""One exchange: the calls out, the answers back into rows."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from redis.exceptions import OutOfMemoryError

from doublegate.gate.ledger_calls import Calls, Rows
from doublegate.gate.ledger_codec import read_codes, read_history
from doublegate.gate.ledger_keys import ScopeKeys
from doublegate.gate.ledger_link import Call, Link
from doublegate.gate.ledger_types import (
    ClaimOutcome,
    CompletionOutcome,
    Exchange,
    ExchangeResult,
    FailureOutcome,
    History,
    LedgerSettings,
    SessionStatus,
)

__all__ = ["Answer", "ask"]


@dataclass(frozen=True, slots=True)
class Answer:
    """A result, and what the caller may have to raise about it."""

    result: ExchangeResult
    refused: bool
    acked: int | None


class _Asking:
    """The state of one exchange while its answers come in."""

    def __init__(
        self, keys: ScopeKeys, settings: LedgerSettings, exchange: Exchange, markers: Sequence[bytes]
    ) -> None:
        self.calls = Calls(keys, settings, exchange)
        self.exchange = exchange
        self.markers = markers
        self.session = SessionStatus.ALIVE
        self.outcomes = bytearray(len(exchange.claims.keys))
        self.histories: dict[int, History] = {}
        self.completions: dict[int, CompletionOutcome] = {}
        self.failures: dict[int, FailureOutcome] = {}
        self.releases: dict[int, FailureOutcome] = {}
        self.fenced: set[int] = set()
        self.lost = False
        self.refused = False
        self.used = sorted(set(exchange.claims.partitions))
        self.lines: dict[bytes, tuple[bytes, ...]] = {}

    def read_finish(self, bucket: int, reply: list[Any]) -> None:
        """Take in one bucket's answer about what was finished."""
        session, marker, completions, failures, releases, fenced, lost = reply
        self._meet_session(bucket, session, marker)
        for row, outcome, _ in read_codes(completions, self.calls.completed_rows[bucket]):
            self.completions[row] = CompletionOutcome(outcome)
        for row, outcome, _ in read_codes(failures, self.calls.failed_rows[bucket]):
            self.failures[row] = FailureOutcome(outcome)
        for row, outcome, _ in read_codes(releases, self.calls.released_rows[bucket]):
            self.releases[row] = FailureOutcome(outcome)
        self.fenced.update(self.exchange.grants[index][0] for index in fenced)
        self.lost |= bool(lost)

    def read_claim(self, bucket: int, rows: Rows, reply: Any) -> bool:
        """Take in one bucket's answer about claims; False when a fenced assignment stopped all of them."""
        if isinstance(reply, OutOfMemoryError):
            self.refused = True
            self._set(rows, ClaimOutcome.REFUSED)
            return True
        session, marker, fenced, lost, odd = reply
        self._meet_session(bucket, session, marker)
        self.lost |= bool(lost)
        if session:
            self._set(rows, ClaimOutcome.SESSION_OVER)
            return True
        if fenced:
            self.fenced.update(self.used[index] for index in fenced)
            return False
        for row, outcome, code in read_codes(odd, rows):
            self.outcomes[row] = outcome
            if outcome <= ClaimOutcome.REPLAY:
                self.histories[row] = read_history(code)
        return True

    def claim_others(self, rows: Rows) -> list[tuple[int, Rows, Call]]:
        """Mark the rows of fenced assignments, and claim the others."""
        partitions = self.exchange.claims.partitions
        self._set([row for row in rows if partitions[row] in self.fenced], ClaimOutcome.FENCED)
        self.used = [index for index in self.used if index not in self.fenced]
        others = [row for row in rows if partitions[row] not in self.fenced]
        return self.calls.claim_calls(self.used, others) if others else []

    def _set(self, rows: Rows, outcome: ClaimOutcome) -> None:
        for row in rows:
            self.outcomes[row] = outcome

    def _meet_session(self, bucket: int, session: int, marker: bytes) -> None:
        status = SessionStatus(session)
        if status is SessionStatus.LOST and self.markers and marker == self.markers[bucket]:
            status = (
                SessionStatus.EXPIRED
            )  # the data is the same: the session was forgotten after a day, or retired
        self.session = max(self.session, status)
        self.lost |= status is SessionStatus.LOST


def ask(
    link: Link,
    keys: ScopeKeys,
    settings: LedgerSettings,
    exchange: Exchange,
    markers: Sequence[bytes],
    *,
    everywhere: bool = False,
) -> Answer:
    """Carry out one exchange: one pipeline per node, a second one only when some assignment is fenced.

    Args:
        link: the way to the servers.
        keys: names of the scope's keys.
        settings: times and limits.
        exchange: what to do.
        markers: the data's markers at the owner's registration, by bucket; none before it.
        everywhere: renew the session in every bucket, whether it has rows or not.
    """
    asking = _Asking(keys, settings, exchange, markers)
    finish = asking.calls.finish_calls(everywhere=everywhere)
    claim = asking.calls.claim_calls(asking.used)
    lines = asking.calls.line_calls()
    if not finish and not claim:  # a heartbeat
        finish = asking.calls.finish_calls(everywhere=True)
    calls = [call for _, call in finish] + [call for _, call in lines] + [call for _, _, call in claim]
    replies = link.run(calls, replicas=settings.min_replicas_acked, replica_timeout=settings.replica_timeout)
    for (bucket, _), reply in zip(finish, replies.values, strict=False):
        asking.read_finish(bucket, reply)
    for (names, _), reply in zip(lines, replies.values[len(finish) :], strict=False):
        asking.lines |= {name: tuple(events) for name, events in zip(names, reply, strict=True) if events}
    retried, acked = replies.retried, replies.acked
    answers = replies.values[len(finish) + len(lines) :]
    while claim:
        open_rows = [
            row
            for (bucket, rows, _), reply in zip(claim, answers, strict=True)
            if not asking.read_claim(bucket, rows, reply)
            for row in rows
        ]
        claim = asking.claim_others(open_rows) if open_rows else []
        if claim:
            again = link.run(
                [call for *_, call in claim],
                replicas=settings.min_replicas_acked,
                replica_timeout=settings.replica_timeout,
            )
            answers, retried = again.values, retried or again.retried
            acked = None if again.acked is None else min(again.acked, again.acked if acked is None else acked)
    result = ExchangeResult(
        session=asking.session,
        claims=bytes(asking.outcomes),
        histories=asking.histories,
        completions=asking.completions,
        failures=asking.failures,
        releases=asking.releases,
        fenced=frozenset(asking.fenced),
        lost=asking.lost,
        retried=retried,
        lines=asking.lines,
    )
    return Answer(result, asking.refused, acked)
