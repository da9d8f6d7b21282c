"""What is to be told to the ledger, and the thread that tells it.

Completions, failures and releases gather while an exchange is under way; the next one carries them all
together with the next claims, so an exchange is one round trip however many events it is about.
"""

import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple, TypeVar

from doublegate.contract.errors import DoublegateError
from doublegate.gate.ledger_errors import LedgerFull, LedgerUnderReplicated
from doublegate.gate.ledger_protocol import LedgerApi
from doublegate.gate.ledger_types import (
    Claims,
    CompletionOutcome,
    Completions,
    Exchange,
    ExchangeResult,
    FailureOutcome,
)
from doublegate.runtime.exchange_rows import Table, failures_of, grants_of, releases_of
from doublegate.runtime.mailbox import Mailbox
from doublegate.runtime.partition import Partition
from doublegate.runtime.recent import Ended, GivenUp, Owed, Recent, in_doubt
from doublegate.runtime.record import Record
from doublegate.runtime.report import Report
from doublegate.runtime.retelling import tell_again
from doublegate.runtime.state import State

__all__ = ["Answered", "Books", "Taken"]

T = TypeVar("T")
R = TypeVar("R")
Answered = Callable[[list[Record], frozenset[Partition], ExchangeResult], None]
"""Told the records as asked, whose partitions are fenced, and the answer."""
_MOST = 5000
"""Rows of one kind in one exchange: a script must not keep the server from others for long."""


class Taken(NamedTuple):
    """A partition's new epoch, and what its earlier owners left in the ledger; -1 where there is nothing.

    Attributes:
        epoch: the fencing number.
        watermark: highest contiguous finished offset.
        grant: highest offset that may have been started without a claim.
    """

    epoch: int
    watermark: int
    grant: int


class Books:
    """Talks to the ledger, one call at a time; on the engine's thread, but where a method says otherwise."""

    def __init__(
        self, ledger: LedgerApi, owner: bytes, state: State, report: Report, mailbox: Mailbox
    ) -> None:
        self._ledger = ledger
        self._owner = owner
        self._state = state
        self._report = report
        self._mailbox = mailbox
        self._thread = ThreadPoolExecutor(1, "ledger")
        self._done: deque[Record] = deque()
        self._failed: deque[Record] = deque()
        self._released: deque[GivenUp] = deque()
        self._handed: deque[tuple[Partition, int]] = deque()
        self._to_tell = 0
        self._telling = 0
        self._watermarks: dict[Partition, int] = {}
        self._order_marks: dict[Partition, tuple[bytes, int]] = {}
        self._recent = Recent()
        self._owed = Owed()
        self._alone: Callable[[], None] | None = None
        self.busy = False
        """An exchange is under way, or waits to be tried again."""
        self.ask_lines: Callable[[Sequence[Record]], Sequence[bytes]] = lambda _: ()
        """The lines to ask for with what is asked for."""
        self.settle_hook: Callable[[list[Record]], list[Record]] = lambda done: done
        """Told what is DONE; returns what is finished with it."""

    def close(self) -> None:
        """End the thread; what it does is finished first."""
        self._thread.shutdown()

    def complete(self, records: Iterable[Record]) -> None:
        """These are DONE."""
        self._done.extend(records)

    def fail(self, record: Record) -> None:
        """Its dead letter is acknowledged."""
        self._failed.append(record)

    def release(self, records: Iterable[Record]) -> int:
        """Claims on these are given back; those of an attempt with an unknown outcome keep the mark.

        What a replay inherited from its dead letter is no such attempt: it is FAILED again.

        Returns:
            What to ask `has_released` for.
        """
        held = [GivenUp.of(r, unknown=in_doubt(r)) for r in records if not (r.claimless or r.proven)]
        self._released.extend(held)
        self._to_tell += len(held)
        return self._to_tell

    def hand_over(self, partition: Partition, offset: int) -> int:
        """Its grant ends at `offset`: the next owner need not take what follows for started; as `release`."""
        self._handed.append((partition, offset))
        self._to_tell += 1
        return self._to_tell

    def has_released(self, ticket: int) -> bool:
        """Whether the ledger knows of everything that was given back up to that ticket."""
        return self._to_tell - len(self._released) - len(self._handed) - self._telling >= ticket

    def watermark(self, marks: Mapping[Partition, int]) -> None:
        """Highest contiguous finished offsets."""
        self._watermarks.update(marks)

    def order_marks(self, marks: Mapping[Partition, tuple[bytes, int]]) -> None:
        """How far an order has come: (what the ledger calls it, offset) by partition."""
        self._order_marks.update(marks)

    def settle_alone(self) -> None:
        """The ledger is away and the inbox alone decides: what ended is finished without it."""
        done, failed = list(self._done), list(self._failed)
        self._owed.add(Ended.of(done, failed, list(self._released)))
        self._state.done(done)
        self._state.local.let_go([r.key for r in failed])
        self._state.finish(failed)
        self._done.clear()
        self._failed.clear()
        self._released.clear()
        self._handed.clear()

    def run_alone(
        self,
        call: Callable[[T], R],
        argument: Callable[[], T],
        *,
        answer: Callable[[R], None],
        failed: Callable[[DoublegateError], None],
    ) -> None:
        """As `run`, while no exchange is under way; the argument is made when its turn has come.

        When it fails, nothing else is sent before it is tried again, which `rest` lets happen.
        """

        def start() -> None:
            self.busy = True
            self.run(call, argument(), answer=answered, failed=not_answered)

        def answered(result: R) -> None:
            self.busy = False
            answer(result)

        def not_answered(error: DoublegateError) -> None:
            self._alone = start
            failed(error)

        self._alone = start

    def rest(self) -> None:
        """After a failed call: the next may be tried."""
        self.busy = False

    def run(
        self,
        call: Callable[[T], R],
        argument: T,
        *,
        answer: Callable[[R], None],
        failed: Callable[[DoublegateError], None],
    ) -> None:
        """Make a call on the ledger's thread; the outcome comes back to the engine's."""

        def task() -> None:
            try:
                result = call(argument)
            except DoublegateError as error:
                self._mailbox.put(failed, error)
            except Exception as error:  # noqa: BLE001 - the thread must tell, whatever it was
                self._mailbox.put(self._raise, error)
            else:
                self._mailbox.put(answer, result)

        self._thread.submit(task)

    def send(
        self,
        asked: list[Record],
        answered: Answered,
        unanswered: Callable[[list[Record], DoublegateError], None],
    ) -> None:
        """Exchange what has gathered with the ledger, and ask for claims, or grants for what is proven new.

        Nothing is sent if there is nothing.
        """
        if self._alone is not None and not asked:
            start, self._alone = self._alone, None
            start()
            return
        waiting = self._done or self._failed or self._released or self._handed or self._watermarks
        if not (asked or waiting or self._owed):
            return
        self.busy = True
        claims = [record for record in asked if not record.proven]
        starts = [record for record in asked if record.proven]
        done = _take_alike(self._done)
        failed = _take(self._failed)
        released = _take(self._released)
        owed = self._owed.take(_MOST)
        ended = Ended.of(done, failed, released)
        if owed:
            ended += owed  # in this order: what is settled comes first
        handed = _take(self._handed)
        self._telling = len(released) + len(handed)
        marks, self._watermarks = self._watermarks, {}
        order_marks, self._order_marks = self._order_marks, {}
        table = Table()
        grants = grants_of(starts)
        lines = self.ask_lines(asked)
        exchange = self._exchange(
            table,
            ended,
            bool(done and done[0].proven),
            marks,
            order_marks,
            claims,
            dict(handed) | grants,
            lines,
        )
        started = time.monotonic()

        def settle(result: ExchangeResult) -> None:
            self._recent.add(ended)
            self._settle(done, failed, result)

        def answer(result: ExchangeResult) -> None:
            self.busy = False
            self._telling = 0
            self._report.metrics.ledger_seconds.observe(time.monotonic() - started)
            settle(result)
            fenced = frozenset(p for index in result.fenced if (p := table.partitions[index]) is not None)
            for partition in grants.keys() - fenced:
                partition.grant = grants[partition]
            answered(asked, fenced, result)

        def fail(error: DoublegateError) -> None:
            self._telling = 0
            if isinstance(error, LedgerFull | LedgerUnderReplicated):  # only the claims were refused
                settle(error.result)
                unanswered(asked, error)
                return
            self._done.extendleft(reversed(done))
            self._failed.extendleft(reversed(failed))
            self._released.extendleft(reversed(released))
            self._handed.extendleft(reversed(handed))
            self._owed.put_back(owed)
            self._watermarks = marks | self._watermarks
            self._order_marks = order_marks | self._order_marks
            unanswered(asked, error)

        self.run(self._ledger.exchange, exchange, answer=answer, failed=fail)

    def take_epochs(self, partitions: Sequence[Partition]) -> list[Taken]:
        """On the ledger's thread: new epochs, and what earlier owners left."""
        names = [(p.topic_id, p.name.partition) for p in partitions]
        epochs = self._ledger.take_epochs(names)
        marks, grants = self._ledger.read_watermarks(names), self._ledger.read_grants(names)
        return [
            Taken(*of_one) for of_one in zip(epochs, map(_or_none, marks), map(_or_none, grants), strict=True)
        ]

    def mark(self, name: tuple[bytes, int]) -> int:
        """On the ledger's thread: one watermark, -1 where there is none."""
        return _or_none(self._ledger.read_watermarks([name])[0])

    def has_marks(self, topic: bytes, partitions: int) -> bool:
        """On the ledger's thread: whether the group has ever finished anything of a topic."""
        names = [(topic, number) for number in range(partitions)]
        return any(mark is not None for mark in self._ledger.read_watermarks(names))

    def tell_again(self, held: Sequence[Record]) -> None:
        """On the ledger's thread, after it lost data: put back claims, and how others ended of late."""
        tell_again(self._ledger, self._owner, held, self._recent, most=_MOST)

    def _exchange(
        self,
        table: Table,
        ended: Ended,
        granted: bool,
        marks: Mapping[Partition, int],
        order_marks: Mapping[Partition, tuple[bytes, int]],
        claims: list[Record],
        grants: Mapping[Partition, int],
        lines: Sequence[bytes],
    ) -> Exchange:
        index = table.index
        for record in claims:
            record.epoch = record.partition.epoch
        unknown = [r.offset <= r.partition.granted_before for r in claims]
        return Exchange(
            self._owner,
            completions=Completions(
                [key for key, _ in ended.done], [digest for _, digest in ended.done], granted=granted
            ),
            failures=failures_of(table, ended.failed),
            releases=releases_of(table, ended.released),
            claims=Claims(
                [r.key for r in claims],
                [r.digest for r in claims],
                [index(r.partition, r.epoch) for r in claims],
                [r.offset for r in claims],
                [r.replay for r in claims] if any(r.replay for r in claims) else None,
                unknown if any(unknown) else None,
            ),
            grants=[(index(p, p.epoch), offset) for p, offset in grants.items()],
            watermarks=[
                *((index(p, p.epoch), mark) for p, mark in marks.items()),
                *((table.named(p, topic), mark) for p, (topic, mark) in order_marks.items()),
            ],
            assignments=table.rows,
            lines=lines,
        )

    def _settle(self, done: list[Record], failed: list[Record], result: ExchangeResult) -> None:
        if done:
            self._state.done(self.settle_hook(done))
        found = {row: outcome for row, outcome in result.completions.items() if row < len(done)}
        outcomes = list(found.values())
        if late := outcomes.count(CompletionOutcome.LATE) + outcomes.count(CompletionOutcome.AFTER_FAILED):
            self._report.metrics.late_completions.add(late)
        if done and done[0].proven:
            self._look_for_anomalies([done[row] for row in found], outcomes, retried=result.retried)
        if missing := outcomes.count(CompletionOutcome.MISSING):
            self._report.metrics.ledger_suspect.add(missing)
        finished = []
        for row, record in enumerate(failed):
            if result.failures.get(row) is FailureOutcome.MISSING:
                self._report.metrics.ledger_suspect.add(1)
                if result.lost and not record.partition.revoked:
                    self._failed.append(record)  # the ledger lost the claim: failed again once re-asserted
                    continue
                finished.append(record)  # nobody will put it back, and its letter is safe
            else:
                finished.append(record)
        self._state.local.let_go([r.key for r in finished])
        self._state.finish(finished)

    def _look_for_anomalies(
        self, done: list[Record], outcomes: list[CompletionOutcome], *, retried: bool
    ) -> None:
        """What the filter proved to be new was known to the ledger: an effect happened twice.

        Its id came in another partition before, or its producer breaks what this mode rests on. The filters'
        proof is worth nothing for one TTL.
        """
        twice = {CompletionOutcome.LATE, CompletionOutcome.CONFLICT, CompletionOutcome.AFTER_FAILED}
        twice |= set() if retried else {CompletionOutcome.ALREADY}
        found = [record for record, outcome in zip(done, outcomes, strict=True) if outcome in twice]
        for record in found:
            self._report.performed_again(record)
        for partition in self._state.partitions.values() if found else ():
            if partition.seen is not None:
                partition.seen.mark_cold()

    @staticmethod
    def _raise(error: Exception) -> None:
        raise error


def _or_none(offset: int | None) -> int:
    return -1 if offset is None else offset


def _take_alike(queue: "deque[Record]") -> list[Record]:
    """What ran under claims, or what ran under grants: their completions are told apart."""
    found: list[Record] = []
    while queue and len(found) < _MOST and queue[0].proven == (found or queue)[0].proven:
        found.append(queue.popleft())
    return found


def _take(queue: "deque[T]") -> list[T]:
    return [queue.popleft() for _ in range(min(len(queue), _MOST))]
