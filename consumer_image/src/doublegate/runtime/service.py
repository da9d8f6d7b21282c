"""The consumer process: builds the parts from the resource, starts and stops them in order."""

import gc
import logging
import os
import secrets
import signal
import socket
import threading
import time

from doublegate.contract.connections import (
    KafkaConnection,
    RedisConnection,
)
from doublegate.contract.consumer_spec import ConsumerSpec
from doublegate.contract.errors import Unsupported
from doublegate.contract.gate_spec import ClaimMode, OnUnavailable
from doublegate.contract.identity import header_reader
from doublegate.contract.kafka_spec import OnFailure
from doublegate.contract.resource import ConflictOn, IdempotentConsumer, Mode
from doublegate.contract.sizing import exact_memory_size
from doublegate.contract.support import refuse_unsupported
from doublegate.gate.exact import ExactMemory
from doublegate.gate.ledger import Ledger
from doublegate.gate.local import LocalGate
from doublegate.runtime.adapters import handler_and_decode, inbox_keeper, tracer
from doublegate.runtime.arrivals import Arrivals
from doublegate.runtime.books import Books
from doublegate.runtime.breaker import Breaker
from doublegate.runtime.children import ChildProducer
from doublegate.runtime.claims import Claims
from doublegate.runtime.deadletters import DeadLetterWriter
from doublegate.runtime.endings import Endings
from doublegate.runtime.engine import Engine
from doublegate.runtime.executors import build_executor
from doublegate.runtime.filters import Filters
from doublegate.runtime.flow import FlowPublisher
from doublegate.runtime.intake import Intake
from doublegate.runtime.lanes import Lanes
from doublegate.runtime.letters import Letters
from doublegate.runtime.mailbox import Mailbox, Timers
from doublegate.runtime.ownership import Ownership
from doublegate.runtime.pace import Concurrency
from doublegate.runtime.parking import Parking
from doublegate.runtime.poller import Poller
from doublegate.runtime.report import Report
from doublegate.runtime.reprocess import Order
from doublegate.runtime.reread import Rereader
from doublegate.runtime.session import NoLease, Session
from doublegate.runtime.settings import client_config, drain_seconds, lane_count, ledger_settings
from doublegate.runtime.state import State
from doublegate.runtime.status import Status
from doublegate.runtime.topics import ensure_own_topics
from doublegate.runtime.unit import Terms
from doublegate.telemetry.metrics import Metrics
from doublegate.telemetry.server import StatusServer
from doublegate.telemetry.tracing import Tracing

__all__ = ["ConsumerProcess", "calm_collector", "run"]

log = logging.getLogger(__name__)

_STOP_SECONDS = 10.0
_ABANDONED_SECONDS = 2.0


class ConsumerProcess:
    """One member of a consumer group.

    Args:
        consumer: the resource.
        host: address of the HTTP endpoints.
        port: their port; 0 takes a free one.

    Raises:
        DoublegateError: something the resource names is missing or refused; nothing was consumed.
    """

    def __init__(self, consumer: IdempotentConsumer, *, host: str = "0.0.0.0", port: int = 8080) -> None:  # noqa: S104
        spec = consumer.spec
        refuse_unsupported(spec)
        read_id = header_reader(spec.identity)
        kafka = KafkaConnection.from_spec(spec.kafka)
        if read_id is None:
            raise Unsupported("spec.identity.payloadField", "use header or cloudEvents")
        handler, decode = handler_and_decode(spec)
        source, dlq, replay = ensure_own_topics(kafka, spec)
        group, drain = spec.kafka.group, drain_seconds(spec)
        instance, endpoint = f"{socket.gethostname()}-{os.getpid()}", spec.telemetry.otlp_endpoint
        self._metrics = Metrics(group=group, topic=source.name, endpoint=endpoint, instance=instance)
        self._tracing = Tracing(
            service=consumer.metadata.name, group=group, endpoint=endpoint, instance=instance
        )
        self._tracing.install()
        redis = RedisConnection.from_spec(spec.ledger)
        self._ledger = Ledger.connect(redis.url, group, ledger_settings(spec, source, dlq), **redis.kwargs)
        owner = secrets.token_bytes(8)
        mailbox, timers = Mailbox(), Timers()
        memory = exact_memory_size(
            rate=spec.filter.expected_rate, window=spec.filter.window, entries=spec.filter.exact_entries
        )
        local = LocalGate(
            group, ExactMemory(memory.entries), conflicts=spec.identity.conflict_on is ConflictOn.PAYLOAD
        )
        state = State(local, Lanes(lane_count(spec)))
        report = Report(self._metrics, self._tracing)
        books = Books(self._ledger, owner, state, report, mailbox)
        letters = Letters(group, state, books, report, mailbox, timers)
        self._session = Session(
            self._ledger, owner, spec.ledger.session, lambda lost: mailbox.put(ownership.session_over, lost)
        )
        self._drain = drain
        self._keeper = inbox_keeper(spec)
        proves = spec.ledger.claim is ClaimMode.PER_PARTITION
        client = client_config(spec, kafka, instance)
        self._rereader = (
            Rereader(client, read_id, local.keyspace, spec.filter.window, mailbox) if proves else None
        )
        order = Order(spec.reprocess, group) if spec.reprocess is not None else None
        ownership = Ownership(
            state,
            books,
            self._session,
            mailbox,
            timers,
            topic_ids={source.name: source.id, replay.name: replay.id},
            replay_topic=replay.name,
            filters=Filters(
                spec, source.partitions, self._ledger, self._rereader.want if self._rereader else None
            ),
            order=order,
            ttl=spec.ledger.ttl,
            drain_seconds=drain,
            keeper=self._keeper,
        )
        parking = Parking(self._ledger, books, letters, state, timers) if _parks(spec) else None
        claims = Claims(
            state,
            letters,
            report,
            timers,
            observe=spec.mode is Mode.OBSERVE,
            on_unknown=spec.ledger.on_unknown,
            parking=parking,
            session_over=ownership.session_over,
        )
        concurrency = Concurrency(spec.flow.concurrency, batch=handler.batch)
        breaker = Breaker(spec.dlq.breaker)
        endings = Endings(
            spec,
            state,
            books,
            letters,
            concurrency,
            breaker,
            report,
            timers,
            claims.claim_for_letter,
            parking,
        )
        intake = Intake(
            read_id,
            lambda problem: problem.describe(spec.identity),
            state,
            spec.kafka.ordering,
            spec.mode,
            spec.ledger.ttl if proves else None,
            order,
        )
        self._engine = Engine(
            spec,
            state=state,
            books=books,
            arrivals=Arrivals(state, intake, letters, report, timers),
            claims=claims,
            ownership=ownership,
            letters=letters,
            endings=endings,
            breaker=breaker,
            concurrency=concurrency,
            report=report,
            mailbox=mailbox,
            timers=timers,
            keeper=self._keeper,
            order=order,
            batch=handler.batch,
            drain_seconds=drain,
        )
        self._books = books
        self._abandoned_since: float | None = None
        self._children = ChildProducer(kafka, self._tracing)
        self._executor = build_executor(
            handler,
            Terms(
                scope=group,
                owner=owner.hex(),
                topic=source.name,
                timeout=spec.handler.timeout,
                idempotent=spec.handler.idempotent,
                lease=NoLease() if spec.ledger.on_unavailable is OnUnavailable.BYPASS else self._session,
                report=self._engine.unit_ended,
                late=self._engine.late,
                decode=decode,
                produce=self._children.send,
                trace=tracer(self._tracing),
            ),
            self._keeper.inbox if self._keeper is not None else None,
            self._keeper.pools if self._keeper is not None else None,
        )
        self._writer = DeadLetterWriter(kafka, dlq.name, source.max_message_bytes, letters.acknowledged)
        self._poller = Poller(client, [source.name, replay.name], self._engine)
        letters.connect(self._writer)
        ownership.connect(self._poller)
        self._engine.connect(self._executor, self._poller)
        self.health = Status(
            spec, self._engine, self._poller, ownership, self._session, state, letters, concurrency, report
        )
        self._flow = (
            FlowPublisher(
                spec, kafka, redis, owner.hex(), source.replication_factor, status=self.health.status
            )
            if spec.flow.producer_signal
            else None
        )
        self._server = StatusServer(self.health, self._metrics.page, host=host, port=port)

    @property
    def port(self) -> int:
        """The port of the HTTP endpoints, once started."""
        return self._server.port

    def start(self) -> None:
        """Serve the endpoints, then join the group."""
        self._server.start()
        if self._keeper is not None:
            self._keeper.start()
        self._session.start()
        if self._rereader is not None:
            self._rereader.start()
        self._engine.start()
        self._poller.start()
        if self._flow is not None:
            self._flow.start()

    def stop(self) -> None:
        """Drain, commit, leave the group, end the session; bounded in time."""
        if not self._poller.stop(self._drain + _STOP_SECONDS):
            log.error(
                "the poller did not end in time; uncommitted events come again, and the ledger knows them"
            )
        if self._flow is not None:
            self._flow.stop(_STOP_SECONDS)
        if self._rereader is not None:
            self._rereader.stop(_STOP_SECONDS)
        self._executor.stop(_STOP_SECONDS)
        self._engine.stop(_STOP_SECONDS)
        if left := self._writer.close(_STOP_SECONDS):
            log.error("%d dead letters were not acknowledged; their events come again", left)
        self._books.close()
        self._session.stop(_STOP_SECONDS)
        self._children.close()
        if self._keeper is not None:
            self._keeper.stop(_STOP_SECONDS)
        self._ledger.close()
        self._server.close()
        self._tracing.shutdown()
        self._metrics.shutdown()

    def must_end(self) -> str | None:
        """Why the process should end and be started anew; None while it need not."""
        if self._engine.failure is not None:
            return f"{self._engine.failure}"
        now = time.monotonic()
        # A late handler may be about to end: a process that was paused finds all of its handlers late.
        if not self._executor.abandoned():
            self._abandoned_since = None
        elif self._abandoned_since is None:
            self._abandoned_since = now
        elif now - self._abandoned_since > _ABANDONED_SECONDS:
            return "a handler outlived its timeout and can't be stopped"
        return None


def _parks(spec: ConsumerSpec) -> bool:
    return spec.kafka.on_failure is OnFailure.PARK_KEY and spec.mode is not Mode.OBSERVE


def run(consumer: IdempotentConsumer, *, host: str = "0.0.0.0", port: int = 8080) -> int:  # noqa: S104
    """Consume until SIGTERM or SIGINT; returns the exit code."""
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    process = ConsumerProcess(consumer, host=host, port=port)
    calm_collector()
    process.start()
    log.info(
        "consuming %s as %s; endpoints on port %d",
        consumer.spec.kafka.topic,
        consumer.spec.kafka.group,
        process.port,
    )
    reason = None
    while not stop.wait(0.5) and (reason := process.must_end()) is None:
        pass
    if reason is not None:
        log.error("ending: %s", reason)
    process.stop()
    return 1 if reason is not None else 0


def calm_collector() -> None:
    """Let the cycle collector look seldom.

    The reservoir holds tens of thousands of lists and tuples without a cycle among them; with the default
    thresholds walking them took a third of the engine's time (`make bench`, case f).
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)
