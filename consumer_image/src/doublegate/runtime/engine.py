"""The engine: one thread that moves every record on, and waits for nothing but its mail.

The poller hands it batches, workers hand it ended units, the ledger's thread hands it answers, the dead-
letter writer hands it acknowledgements. What it owns needs no lock.
"""

import logging
import threading
import time
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeout
from contextlib import suppress

from confluent_kafka import Message

from doublegate.contract.consumer_spec import ConsumerSpec
from doublegate.contract.errors import DoublegateError
from doublegate.contract.gate_spec import OnUnavailable
from doublegate.gate.ledger_types import ExchangeResult
from doublegate.runtime.arrivals import Arrivals
from doublegate.runtime.books import Books
from doublegate.runtime.breaker import Breaker
from doublegate.runtime.claims import Claims
from doublegate.runtime.endings import Endings
from doublegate.runtime.keeper import Keeper
from doublegate.runtime.letters import Letters
from doublegate.runtime.mailbox import Mailbox, Timers
from doublegate.runtime.outcome import Attempt
from doublegate.runtime.ownership import Commits, Ownership
from doublegate.runtime.pace import Concurrency
from doublegate.runtime.partition import Partition, TopicPartitionKey
from doublegate.runtime.poller import Assigned, Poller
from doublegate.runtime.record import Record, Stage
from doublegate.runtime.report import Report
from doublegate.runtime.reprocess import Order
from doublegate.runtime.state import State
from doublegate.runtime.unit import Executor, Unit

__all__ = ["Engine"]

log = logging.getLogger(__name__)

_COMMIT_SECONDS = 0.5
_LEDGER_RETRY_SECONDS = 0.3
_IDLE_SECONDS = 0.1
_DRAIN_MARGIN = 5.0
_DRAIN_LOOK_SECONDS = 0.5
_RESUME_SHARE = 0.75
"""Of the reservoir may be in use for paused partitions to go on."""


class Engine:
    """Owns the records between the poll and the commit.

    The methods that other threads call only leave mail, but `drain`, which waits.
    """

    def __init__(
        self,
        spec: ConsumerSpec,
        *,
        state: State,
        books: Books,
        arrivals: Arrivals,
        claims: Claims,
        ownership: Ownership,
        letters: Letters,
        endings: Endings,
        breaker: Breaker,
        concurrency: Concurrency,
        report: Report,
        mailbox: Mailbox,
        timers: Timers,
        keeper: Keeper | None,
        order: Order | None,
        batch: bool,
        drain_seconds: float,
    ) -> None:
        self._spec = spec
        self._state = state
        self._books = books
        self._arrivals = arrivals
        self._claims = claims
        self._ownership = ownership
        self._letters = letters
        self._concurrency = concurrency
        self._report = report
        self._mailbox = mailbox
        self._timers = timers
        self._keeper = keeper
        self._order = order
        self._batch = batch
        self._drain_seconds = drain_seconds
        self._endings = endings
        self._breaker = breaker
        self._executor: Executor | None = None
        self._poller: Poller | None = None
        self._units = 0
        self._handed_over = 0
        """Messages that came, counted by the poller's thread alone, as `_taken_in` is by the engine's."""
        self._taken_in = 0
        self._next_commit = 0.0
        self._room = threading.Event()
        self._stopping = threading.Event()
        self._bypass = spec.ledger.on_unavailable is OnUnavailable.BYPASS
        self.failure: Exception | None = None
        self.ledger_error: str | None = None
        self.beat = time.monotonic()
        """When the loop last turned."""
        self._thread = threading.Thread(target=self._run, name="engine", daemon=True)

    def connect(self, executor: Executor, poller: Poller) -> None:
        """Give it the workers and the consumer, then `start`."""
        self._executor = executor
        self._poller = poller

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def stop(self, timeout: float) -> None:
        """End the thread; the poller has left the group by now."""
        self._stopping.set()
        self._thread.join(timeout)

    @property
    def breaker_open(self) -> bool:
        """Whether too much failed of late."""
        return self._breaker.open

    # --- called by the poller's thread

    def assigned(self, partitions: list[Assigned]) -> None:
        """These came."""
        self._mailbox.put(self._ownership.take, partitions)

    def drain(self, names: list[TopicPartitionKey]) -> Commits:
        """These will be taken away."""
        done: Future[Commits] = Future()
        self._mailbox.put(self._ownership.drain, names, done)
        deadline = time.monotonic() + self._drain_seconds + _DRAIN_MARGIN
        while self.failure is None and time.monotonic() < deadline:
            with suppress(FutureTimeout):
                return done.result(_DRAIN_LOOK_SECONDS)
        log.error("the drain did not end; the next owner waits for our session to end")
        return {}

    def lost(self, names: list[TopicPartitionKey]) -> None:
        """These are somebody else's."""
        self._ownership.fence()
        self._mailbox.put(self._ownership.lose, names)

    def arrived(self, messages: list[Message]) -> None:
        """A batch."""
        self._handed_over += len(messages)
        self._mailbox.put(self._arrive, messages)

    def room(self, timeout: float) -> int:
        """How many more records the reservoir takes, waiting up to `timeout` seconds for some.

        Who does not wait is paused, and goes on only when a good part is free: each resumption fetches anew.
        """
        if self._spec.paused:
            return 0
        room = self._free()
        if timeout <= 0 and not self._spacious():
            return 0
        if room <= 0 and timeout > 0:
            self._room.clear()
            self._room.wait(timeout)
            room = self._free()
        return max(0, room)

    def skipped(self, name: TopicPartitionKey, error: str) -> None:
        """Records were gone before they could be read."""
        log.error("records of %s[%d] are lost to this group: %s", name.topic, name.partition, error)

    def broken(self, error: Exception) -> None:
        """The poller can't go on."""
        log.error("the poller stopped: %s", error)
        self.failure = error

    # --- called by workers

    def unit_ended(self, unit: Unit) -> None:
        """A unit came back."""
        self._mailbox.put(self._end_unit, unit)

    def late(self, record: Record, attempt: Attempt) -> None:
        """A handler that was given up has ended after all."""
        self._mailbox.put(self._endings.late, record, attempt)

    # --- the engine's thread

    def _run(self) -> None:
        try:
            while not self._stopping.is_set():
                self._turn(_IDLE_SECONDS)
        except Exception as error:
            log.exception("the engine stopped")
            self.failure = error

    def _turn(self, patience: float) -> None:
        """Deal with what there is, after at most `patience` seconds."""
        self._mailbox.serve(self._timers.wait(time.monotonic(), patience))
        now = self.beat = time.monotonic()
        self._timers.run(now)
        self._taken_in += self._arrivals.admit_early()
        self._dispatch(now)
        self._talk()
        self._commit(now)
        self._ownership.check_drains(now)
        if not self._room.is_set() and self._free() > 0:
            self._room.set()

    def _free(self) -> int:
        flow = self._spec.flow
        backlog = self._handed_over - self._taken_in
        room = flow.max_in_flight - self._state.held - backlog
        if self._state.held:
            each = max(1, self._state.held_bytes // self._state.held)
            room = min(room, (flow.max_bytes - self._state.held_bytes) // each - backlog)
        return room

    def _spacious(self) -> bool:
        flow, state = self._spec.flow, self._state
        return (
            state.held <= _RESUME_SHARE * flow.max_in_flight
            and state.held_bytes <= _RESUME_SHARE * flow.max_bytes
        )

    def _arrive(self, messages: list[Message]) -> None:
        self._report.metrics.consumed.add(len(messages))
        self._taken_in += self._arrivals.arrive(messages)

    def _talk(self) -> None:
        """One exchange at a time; what comes meanwhile makes the next one larger."""
        if not self._books.busy:
            self._books.send(self._claims_to_ask(), self._answered, self._unanswered)

    def _claims_to_ask(self) -> list[Record]:
        owned = not (self._ownership.suspended or self._ownership.disputed)
        if self._spec.paused or not owned:  # one may slip in between assignment and pause
            return []
        most = None
        if self._letters.blocked:
            most = 0
        elif self._breaker.open or self._state.crowded:  # one, for the next probe or to close the gap
            most = 0 if self._units or self._state.lanes.claimed else 1
        return self._claims.choose(self._concurrency.unit_size, most)

    def _answered(
        self,
        asked: list[Record],
        fenced: frozenset[Partition],
        result: ExchangeResult,
    ) -> None:
        self.ledger_error = None
        floor = (self._concurrency.limit - self._units) * self._concurrency.unit_size
        gone = self._claims.answered(asked, fenced, result, floor)
        if gone:
            self._books.release(gone)
        self._ownership.superseded(fenced)

    def _unanswered(self, claims: list[Record], error: DoublegateError) -> None:
        """The ledger is away: nothing is lost, everything is said again."""
        if self.ledger_error is None:
            log.warning("ledger: %s; paused until it answers", error)
        self.ledger_error = str(error)
        if self._bypass:
            self._books.settle_alone()
            self._claims.bypass(claims)
        else:
            self._claims.unanswered(claims)
        self._timers.after(_LEDGER_RETRY_SECONDS, self._books.rest)

    def _dispatch(self, now: float) -> None:
        executor, lanes = self._executor, self._state.lanes
        if executor is None or self._ownership.suspended or self._letters.blocked:
            return
        if not (self._bypass or self._ownership.leased):
            return
        limit = self._concurrency.limit
        while self._units < limit and lanes.claimed:
            size = self._unit_size(limit, now)
            records = lanes.take_unit(size) if size else []
            doomed = bool(lanes.doomed)
            self._claims.bury(lanes.doomed)
            if records:
                for record in records:
                    record.stage = Stage.RUNNING
                self._units += 1
                executor.submit(Unit(records))
            elif not doomed:
                return

    def _unit_size(self, limit: int, now: float) -> int:
        """Events for the next worker; 0 while an open breaker lets none through."""
        size = self._concurrency.unit_size
        if self._breaker.open:
            return 0 if self._units or not self._breaker.may_probe(now) else 1
        return size if self._batch else min(size, -(-self._state.lanes.claimed // (limit - self._units)))

    def _end_unit(self, unit: Unit) -> None:
        in_flight, self._units = self._units, self._units - 1
        self._endings.ended(unit, in_flight)

    def _commit(self, now: float) -> None:
        if now < self._next_commit or self._poller is None:
            return
        self._next_commit = now + _COMMIT_SECONDS
        self._report.tick()
        self._ownership.see_ends(self._poller.ends)
        if not self._poller.full:
            for name, offset in self._arrivals.silences(self._poller.ends, now):
                self._poller.seek(name, offset)
        moved = self._state.commits()
        if moved:
            self._poller.commit(moved)
            marks = self._state.watermarks(moved)
            self._books.watermark(marks)
            if self._order is not None:
                self._books.order_marks(self._order.marks(marks))
            if self._keeper is not None:
                self._keeper.mark(marks)
