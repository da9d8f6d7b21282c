"""The engine and all its parts on one thread: ledger in memory, a clock that tests move, workers by hand."""

from __future__ import annotations

import time
from binascii import crc32
from concurrent.futures import Future
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from doublegate.contract.gate_spec import ClaimMode, IdentitySpec
from doublegate.contract.identity import header_id
from doublegate.contract.kafka_spec import OnFailure
from doublegate.contract.resource import ConsumerSpec, Mode
from doublegate.contract.sizing import filter_size
from doublegate.gate.filter import PartitionFilter
from doublegate.gate.ledger_errors import LedgerUnavailable
from doublegate.gate.ledger_types import LedgerSettings
from doublegate.gate.memory_ledger import MemoryLedger
from doublegate.runtime import intake
from doublegate.runtime.arrivals import Arrivals
from doublegate.runtime.books import Books
from doublegate.runtime.breaker import Breaker
from doublegate.runtime.claims import Claims
from doublegate.runtime.endings import Endings
from doublegate.runtime.engine import Engine
from doublegate.runtime.intake import Intake
from doublegate.runtime.letters import Letters
from doublegate.runtime.mailbox import Mailbox, Timers
from doublegate.runtime.outcome import Attempt, done
from doublegate.runtime.ownership import Ownership
from doublegate.runtime.pace import Concurrency
from doublegate.runtime.parking import Parking
from doublegate.runtime.partition import TopicPartitionKey
from doublegate.runtime.poller import Assigned
from doublegate.runtime.report import Report
from doublegate.runtime.reprocess import Order
from doublegate.runtime.session import Session
from doublegate.telemetry.metrics import Metrics
from tests.unit.runtime.records import TOPIC_ID, message, state

if TYPE_CHECKING:
    from collections.abc import Callable

    import pytest

    from doublegate.runtime.record import Record
    from doublegate.runtime.unit import Unit

LEASE = 10.0
REPLAY_ID = bytes(range(16, 32))
DRAIN = 30.0
TTL = 3600.0


class Clock:
    """Seconds that pass only when a test says so."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class Ledger(MemoryLedger):
    """Can be away, and can do something just before it answers."""

    away = False
    before_answer: Callable[[], None] | None = None

    def exchange(self, exchange: Any) -> Any:
        self._reach()
        result = super().exchange(exchange)
        if self.before_answer is not None:
            hook, self.before_answer = self.before_answer, None
            hook()
        return result

    def register(self, owner: bytes) -> str:
        self._reach()
        return super().register(owner)

    def renew(self, owner: bytes) -> Any:
        self._reach()
        return super().renew(owner)

    def take_epochs(self, partitions: Any) -> Any:
        self._reach()
        return super().take_epochs(partitions)

    def park(self, rows: Any) -> None:
        self._reach()
        super().park(rows)

    def unpark(self, rows: Any) -> None:
        self._reach()
        super().unpark(rows)

    def reassert(self, *told: Any) -> Any:
        self._reach()
        return super().reassert(*told)

    def _reach(self) -> None:
        if self.away:
            raise LedgerUnavailable("away")


class _Inline:
    """In place of the ledger's thread."""

    def submit(self, task: Callable[[], None]) -> None:
        task()

    def shutdown(self) -> None:
        pass


class Poller:
    full = False

    def __init__(self) -> None:
        self.commits: dict[TopicPartitionKey, tuple[int, str]] = {}
        self.ends: dict[TopicPartitionKey, int] = {}
        self.sought: list[tuple[TopicPartitionKey, int]] = []
        self.refusal: str | None = None
        """What the coordinator says to who asks for a confirmation."""

    def commit(self, commits: dict[TopicPartitionKey, tuple[int, str]]) -> None:
        self.commits.update(commits)

    def confirm(self, commits: Any, confirmed: Callable[[str | None], None]) -> None:
        if self.refusal is None:
            self.commits.update(commits)
        confirmed(self.refusal)

    def resume(self, names: Any) -> None:
        pass

    def seek(self, name: TopicPartitionKey, offset: int, done: Callable[[], None] = lambda: None) -> None:
        self.sought.append((name, offset))
        done()


class Rig:
    """One consumer without its threads.

    Attributes:
        units: handed to workers and not ended yet.
        letters: (record, letter) written and not acknowledged yet.
    """

    def __init__(
        self,
        clock: Clock,
        store: Ledger | None = None,
        *,
        owner: bytes = b"owner--1",
        batch: bool = False,
        lanes: int = 8,
        **spec: Any,
    ) -> None:
        self.clock = clock
        self.ledger = store or Ledger(LedgerSettings(session=LEASE), clock)
        given = {
            "handler": {"python": "m:h"},
            "kafka": {"bootstrapServers": "b:1", "topic": "t", "group": "g"},
            "retries": {"attempts": 3, "initialBackoff": "1s", "maxBackoff": "1s"},
            "flow": {"concurrency": {"min": 4, "max": 4}},
            "dlq": {"breaker": {"failureRatio": 1}},
            **spec,
        }
        parsed = ConsumerSpec.model_validate(given)
        self.proves = parsed.ledger.claim is ClaimMode.PER_PARTITION
        mailbox, timers = Mailbox(), Timers()
        tracing: Any = SimpleNamespace(record_process=lambda *_, **__: "", broken=0)
        self.state = state(lanes)
        self.report = Report(Metrics(group="g", topic="t"), tracing)
        self.books = Books(self.ledger, owner, self.state, self.report, mailbox)
        self.books._thread = _Inline()  # type: ignore[assignment]
        self._writer: Any = SimpleNamespace(write=self._write)
        self.writer = Letters("g", self.state, self.books, self.report, mailbox, timers)
        self.writer.connect(self._writer)
        self.session = Session(
            self.ledger, owner, LEASE, lambda lost: mailbox.put(self.ownership.session_over, lost)
        )
        filters: Any = SimpleNamespace(load=self._filter, keep=lambda _: None, partitions=4)
        order = Order(parsed.reprocess, "g") if parsed.reprocess is not None else None
        self.ownership = Ownership(
            self.state,
            self.books,
            self.session,
            mailbox,
            timers,
            topic_ids={"t": TOPIC_ID, "g.replay": REPLAY_ID},
            replay_topic="g.replay",
            filters=filters,
            order=order,
            ttl=TTL,
            drain_seconds=DRAIN,
            keeper=None,
        )
        observe = parsed.mode is Mode.OBSERVE
        parking = None
        if parsed.kafka.on_failure is OnFailure.PARK_KEY:
            parking = Parking(self.ledger, self.books, self.writer, self.state, timers)
        claims = Claims(
            self.state,
            self.writer,
            self.report,
            timers,
            observe=observe,
            on_unknown=parsed.ledger.on_unknown,
            parking=parking,
            session_over=self.ownership.session_over,
        )
        concurrency = Concurrency(parsed.flow.concurrency, batch=batch)
        self.breaker = Breaker(parsed.dlq.breaker)
        identity = IdentitySpec.model_validate({})
        taking = Intake(
            lambda headers: header_id(headers, "correlation_id"),
            lambda problem: problem.describe(identity),
            self.state,
            parsed.kafka.ordering,
            parsed.mode,
            parsed.ledger.ttl if parsed.ledger.claim is ClaimMode.PER_PARTITION else None,
            order,
        )
        endings = Endings(
            parsed,
            self.state,
            self.books,
            self.writer,
            concurrency,
            self.breaker,
            self.report,
            timers,
            claims.claim_for_letter,
            parking,
        )
        self.engine = Engine(
            parsed,
            state=self.state,
            books=self.books,
            arrivals=Arrivals(self.state, taking, self.writer, self.report, timers),
            claims=claims,
            ownership=self.ownership,
            letters=self.writer,
            endings=endings,
            breaker=self.breaker,
            concurrency=concurrency,
            report=self.report,
            mailbox=mailbox,
            timers=timers,
            keeper=None,
            order=order,
            batch=batch,
            drain_seconds=DRAIN,
        )
        self.poller: Any = Poller()
        self.units: list[Unit] = []
        self.letters: list[tuple[Record, Any]] = []
        executor: Any = SimpleNamespace(submit=self.units.append)
        self.engine.connect(executor, self.poller)
        self.ownership.connect(self.poller)

    def _filter(self, partition: Any, is_new: Any) -> PartitionFilter | None:
        """Only where the claim mode rests on it."""
        if not self.proves:
            return None
        made = PartitionFilter(str(partition.name), filter_size(100, TTL, 0.001), clock=self.clock)
        if is_new(partition):
            made.mark_warm()
        return made

    def _write(self, record: Record, letter: Any) -> None:
        self.letters.append((record, letter))

    # --- what happens to it

    def turn(self, seconds: float = 0.0) -> Rig:
        """Let time pass, with heartbeats, and the engine do what there is to do."""
        until = self.clock.now + seconds
        while True:
            for _ in range(12):
                self.engine._turn(0)
            if self.clock.now >= until:
                return self
            self.clock.now = min(until, self.clock.now + LEASE / 4)
            self.session.beat()

    def assign(self, *numbers: int, position: int = 0, metadata: str = "", topic: str = "t") -> Rig:
        names = [TopicPartitionKey(topic, number) for number in numbers]
        self.engine.assigned([Assigned(name, position, metadata) for name in names])
        return self.turn()

    def arrive(
        self,
        *ids: str,
        first: int = 0,
        partition: int = 0,
        key: bytes | None = b"k",
        topic: str = "t",
        headers: list[tuple[str, bytes | None]] | None = None,
    ) -> Rig:
        """Events of one key."""
        rows = [
            message(first + n, i.encode(), partition=partition, key=key, topic=topic, headers=headers)
            for n, i in enumerate(ids)
        ]
        self.engine.arrived(rows)
        return self.turn()

    def revoke(self, *numbers: int) -> Future[Any]:
        ended: Future[Any] = Future()
        names = [TopicPartitionKey("t", number) for number in numbers]
        self.engine._mailbox.put(self.ownership.drain, names, ended)
        self.turn()
        return ended

    # --- workers

    @property
    def running(self) -> list[str]:
        return [record.event_id.decode() for unit in self.units for record in unit.records]

    def end(self, attempt: Attempt | None = None) -> list[str]:
        """The workers end all they have, as `attempt` says; the later ones of a lane are left alone."""
        units, self.units[:] = list(self.units), []
        ended = []
        for unit in units:
            failed = set()
            for record in unit.records:
                if record.lane in failed:
                    record.result = None
                    continue
                record.attempt += 1
                record.result = attempt or done()
                if record.result.outcome is not done().outcome:
                    failed.add(record.lane)
                ended.append(record.event_id.decode())
            self.engine.unit_ended(unit)
        self.turn()
        return ended

    def work(self) -> list[str]:
        """Let the workers perform until nothing is left to start; returns it in the order of the starts."""
        performed = []
        while self.units:
            performed += self.end()
        return performed

    def acknowledge(self, error: str | None = None) -> Rig:
        """The brokers answer for the letters."""
        letters, self.letters[:] = list(self.letters), []
        for record, _ in letters:
            self.writer.acknowledged(record, error)
        return self.turn()

    def committed(self, partition: int = 0) -> int:
        self.turn(1.0)
        return self.poller.commits[TopicPartitionKey("t", partition)][0]

    def counts(self) -> dict[tuple[str, str], int]:
        return dict(self.report.decisions)


def frozen(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """Time stands still but for the test."""
    clock = Clock()
    monkeypatch.setattr(time, "monotonic", clock)
    monkeypatch.setattr(intake, "hash", crc32, raising=False)  # a key's lane is the same in every run
    return clock
