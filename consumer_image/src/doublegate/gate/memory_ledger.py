"""The ledger in memory: the design's table in plain Python, for one process.

It is the model that the real ledger is tested against, and stands in for it in unit tests. It keeps no
more than the rules: entries never expire, and memory is never full.
"""

import threading
import time
from collections.abc import Callable, Sequence

from doublegate.gate.ledger_types import (
    LINE_EVENTS,
    Assignment,
    ClaimOutcome,
    Claims,
    CompletionOutcome,
    Completions,
    Entry,
    Exchange,
    ExchangeResult,
    FailureOutcome,
    History,
    LedgerSettings,
    LedgerStats,
    Position,
    ReassertResult,
    SessionStatus,
    TopicPartition,
)
from doublegate.gate.memory_steps import Bid, Record, claim, complete, fail, history, hold, release

__all__ = ["MemoryLedger"]

_TOPIC_BYTES = 8


class MemoryLedger:
    """One scope's ledger, thread-safe.

    Args:
        settings: times and limits.
        clock: seconds since the epoch, as the server would say.
    """

    def __init__(
        self, settings: LedgerSettings | None = None, clock: Callable[[], float] = time.time
    ) -> None:
        self.settings = settings or LedgerSettings()
        self.round_trips = 0
        self.records: dict[bytes, Record] = {}
        self.sessions: dict[bytes, float] = {}
        self.epochs: dict[TopicPartition, int] = {}
        self._clock = clock
        self._known: set[bytes] = set()
        self._watermarks: dict[TopicPartition, int] = {}
        self._grants: dict[TopicPartition, int] = {}
        self._lines: dict[bytes, list[bytes]] = {}
        self._snapshots: dict[TopicPartition, tuple[bytes, float]] = {}
        self._generation = 0
        self._lock = threading.RLock()

    def forget(self) -> None:
        """Lose everything, as a server without persistence does."""
        with self._lock:
            for part in (
                self.records,
                self.sessions,
                self.epochs,
                self._watermarks,
                self._grants,
                self._snapshots,
                self._lines,
                self._known,
            ):
                part.clear()
            self._generation += 1

    def register(self, owner: bytes) -> str:
        """Open, or open again, the owner's session; returns the data's name."""
        with self._lock:
            self.round_trips += 1
            self.sessions[owner] = self._clock() + self.settings.session
            self._known.add(owner)
            return f"{self._generation:08x}"

    def renew(self, owner: bytes) -> SessionStatus:
        """The heartbeat; a session that is over is not revived."""
        with self._lock:
            self.round_trips += 1
            return self._renew(owner)

    def retire(self, owner: bytes) -> None:
        """End the session now."""
        with self._lock:
            self.round_trips += 1
            self.sessions.pop(owner, None)

    def take_epochs(self, partitions: Sequence[TopicPartition]) -> list[int]:
        """Fence every earlier holder of the partitions."""
        with self._lock:
            self.round_trips += 1
            for partition in partitions:
                self.epochs[partition] = max(
                    self.epochs.get(partition, 0) + 1, int(self._clock() * 1_000_000)
                )
            return [self.epochs[partition] for partition in partitions]

    def exchange(self, exchange: Exchange) -> ExchangeResult:
        """Complete, fail, release and claim whole batches."""
        with self._lock:
            self.round_trips += 1
            session = self._renew(exchange.owner)
            completions = self._complete(exchange)
            failures = self._fail(exchange)
            releases = self._release(exchange)
            self._raise(self._watermarks, exchange.assignments, exchange.watermarks)
            used = set(exchange.claims.partitions) if session is SessionStatus.ALIVE else set()
            fenced = {
                index
                for index in used | {index for index, _ in exchange.grants}
                if self._epoch(exchange.assignments[index]) != exchange.assignments[index].epoch
            }
            granted = [(index, offset) for index, offset in exchange.grants if index not in fenced]
            for index, offset in granted:
                held = exchange.assignments[index]
                self._grants[held.topic, held.partition] = offset
            outcomes, histories = self._claim(exchange, session, fenced)
            return ExchangeResult(
                session=session,
                claims=outcomes,
                histories=histories,
                completions=completions,
                failures=failures,
                releases=releases,
                fenced=frozenset(fenced),
                lost=session is SessionStatus.LOST
                or any(self._epoch(exchange.assignments[index]) is None for index in fenced),
                lines={line: _first(events) for line in exchange.lines if (events := self._lines.get(line))},
            )

    def park(self, rows: Sequence[tuple[bytes, bytes]]) -> None:
        """Put events at the end of their lines."""
        with self._lock:
            self.round_trips += 1
            for line, event in rows:
                events = self._lines.setdefault(line, [])
                if event not in events:
                    events.append(event)

    def unpark(self, rows: Sequence[tuple[bytes, bytes]]) -> None:
        """Take events out of their lines."""
        with self._lock:
            self.round_trips += 1
            for line, event in rows:
                if event in (events := self._lines.get(line, [])):
                    events.remove(event)

    def read_watermarks(self, partitions: Sequence[TopicPartition]) -> list[int | None]:
        """Highest contiguous finished offsets."""
        self.round_trips += 1
        return [self._watermarks.get(partition) for partition in partitions]

    def read_grants(self, partitions: Sequence[TopicPartition]) -> list[int | None]:
        """Highest offsets that may have started."""
        self.round_trips += 1
        return [self._grants.get(partition) for partition in partitions]

    def keep_snapshot(self, partition: TopicPartition, snapshot: bytes, seconds: float) -> None:
        """Keep a partition's filter for its next owner, for so long."""
        self.round_trips += 1
        self._snapshots[partition] = (snapshot, self._clock() + seconds)

    def read_snapshot(self, partition: TopicPartition) -> bytes | None:
        """What the partition's last owner kept."""
        self.round_trips += 1
        snapshot, end = self._snapshots.get(partition, (None, 0.0))
        return snapshot if self._clock() < end else None

    def reassert(
        self,
        owner: bytes,
        assignments: Sequence[Assignment],
        held: Claims,
        done: Completions,
        unknown: Sequence[bool] | None = None,
    ) -> ReassertResult:
        """Put back session, epochs, held claims and recent DONE."""
        with self._lock:
            self.register(owner)
            for held_by in assignments:
                partition = (held_by.topic, held_by.partition)
                self.epochs[partition] = max(self.epochs.get(partition, 0), held_by.epoch)
            self._complete(Exchange(owner, completions=done))
            refused = []
            for row, key in enumerate(held.keys):
                bid = self._bid(owner, assignments, held, row)
                marked = bool(unknown and unknown[row])
                record = hold(self.records.get(key), bid, self._alive, unknown=marked)
                if record is None:
                    refused.append(row)
                else:
                    self.records[key] = record
            fenced = (
                index for index, held_by in enumerate(assignments) if self._epoch(held_by) != held_by.epoch
            )
            return ReassertResult(tuple(refused), frozenset(fenced))

    def inspect(self, key: bytes) -> Entry | None:
        """The entry of one key."""
        record = self.records.get(key)
        if record is None:
            return None
        return Entry(
            record.state,
            record.digest,
            owner=record.owner,
            epoch=record.epoch,
            position=record.position,
            attempt=record.attempt,
            crashes=record.crashes,
            unknown=record.unknown,
        )

    def identity(self) -> str:
        """Changes with `forget`."""
        return f"memory/{self._generation}"

    def stats(self) -> LedgerStats:
        """Only the number of entries."""
        return LedgerStats(keys=len(self.records), used_bytes=0, max_bytes=0, evicted=0)

    def _alive(self, owner: bytes) -> bool:
        return self.sessions.get(owner, 0.0) > self._clock()

    def _renew(self, owner: bytes) -> SessionStatus:
        if self._alive(owner):
            self.sessions[owner] = self._clock() + self.settings.session
            return SessionStatus.ALIVE
        known = owner in self.sessions or owner in self._known
        return SessionStatus.EXPIRED if known else SessionStatus.LOST

    def _epoch(self, assignment: Assignment) -> int | None:
        return self.epochs.get((assignment.topic, assignment.partition))

    @staticmethod
    def _bid(owner: bytes, assignments: Sequence[Assignment], claims: Claims, row: int) -> Bid:
        held = assignments[claims.partitions[row]]
        position = Position(held.topic[:_TOPIC_BYTES], held.partition, claims.offsets[row])
        replay = bool(claims.replays and claims.replays[row])
        unknown = bool(claims.unknown and claims.unknown[row])
        return Bid(owner, held.epoch, position, claims.digests[row], replay, unknown)

    def _claim(
        self, exchange: Exchange, session: SessionStatus, fenced: set[int]
    ) -> tuple[bytes, dict[int, History]]:
        outcomes = bytearray()
        histories: dict[int, History] = {}
        for row, key in enumerate(exchange.claims.keys):
            if session is not SessionStatus.ALIVE:
                outcomes.append(ClaimOutcome.SESSION_OVER)
                continue
            if exchange.claims.partitions[row] in fenced:
                outcomes.append(ClaimOutcome.FENCED)
                continue
            bid = self._bid(exchange.owner, exchange.assignments, exchange.claims, row)
            outcome, record = claim(self.records.get(key), bid, self._alive, self.settings.crashes)
            self._put(key, record)
            outcomes.append(outcome)
            if record is not None and ClaimOutcome.NEW < outcome <= ClaimOutcome.REPLAY:
                histories[row] = history(record)
        return bytes(outcomes), histories

    def _complete(self, exchange: Exchange) -> dict[int, CompletionOutcome]:
        odd: dict[int, CompletionOutcome] = {}
        rows = exchange.completions
        for row, (key, digest) in enumerate(zip(rows.keys, rows.digests, strict=True)):
            outcome, self.records[key] = complete(self.records.get(key), exchange.owner, digest)
            expected = outcome is CompletionOutcome.MISSING and rows.granted
            if outcome is not CompletionOutcome.OWN and not expected:
                odd[row] = outcome
        return odd

    def _fail(self, exchange: Exchange) -> dict[int, FailureOutcome]:
        odd: dict[int, FailureOutcome] = {}
        rows = exchange.failures
        for row, key in enumerate(rows.keys):
            mine = self._mine(exchange, rows.partitions[row])
            marked = bool(rows.unknown and rows.unknown[row])
            outcome, record = fail(self.records.get(key), mine, rows.attempts[row], unknown=marked)
            self._put(key, record)
            if outcome is not FailureOutcome.OK:
                odd[row] = outcome
        return odd

    def _release(self, exchange: Exchange) -> dict[int, FailureOutcome]:
        odd: dict[int, FailureOutcome] = {}
        rows = exchange.releases
        for row, key in enumerate(rows.keys):
            mine = self._mine(exchange, rows.partitions[row])
            marked = bool(rows.unknown and rows.unknown[row])
            outcome, record = release(self.records.get(key), mine, unknown=marked)
            self._put(key, record)
            if outcome is not FailureOutcome.OK:
                odd[row] = outcome
        return odd

    @staticmethod
    def _mine(exchange: Exchange, index: int) -> Bid:
        held = exchange.assignments[index]
        position = Position(held.topic[:_TOPIC_BYTES], held.partition, 0)
        return Bid(exchange.owner, held.epoch, position, b"")

    def _put(self, key: bytes, record: Record | None) -> None:
        if record is None:
            self.records.pop(key, None)
        else:
            self.records[key] = record

    @staticmethod
    def _raise(
        kept: dict[TopicPartition, int], assignments: Sequence[Assignment], marks: Sequence[tuple[int, int]]
    ) -> None:
        for index, offset in marks:
            partition = (assignments[index].topic, assignments[index].partition)
            kept[partition] = max(kept.get(partition, offset), offset)


def _first(events: Sequence[bytes]) -> tuple[bytes, ...]:
    more = (b"",) if len(events) > LINE_EVENTS else ()
    return (*events[:LINE_EVENTS], *more)
