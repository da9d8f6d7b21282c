"""The whole runtime, as `doublegate run` has it: group, gates, workers, commits, telemetry."""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from confluent_kafka import Consumer, TopicPartition

from doublegate.runtime.engine import Engine
from doublegate.runtime.service import ConsumerProcess, calm_collector
from tests.benchmarks.feed import PARTITIONS
from tests.benchmarks.job import BrokenCase
from tests.benchmarks.meter import Meter
from tests.benchmarks.resource import consumer_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from confluent_kafka import Message

    from doublegate.contract.resource import IdempotentConsumer
    from tests.benchmarks.job import Job

__all__ = ["Polls", "running", "runtime", "wait_for"]

GLANCE_SECONDS = 0.01
JOIN_SECONDS = 60.0
COMMIT_SECONDS = 10.0


class Polls:
    """Counts the batches that the poller hands over, by a wrapper around the engine's method."""

    def __init__(self) -> None:
        self.count = 0
        original = Engine.arrived

        def counted(engine: Engine, messages: list[Message]) -> None:
            self.count += 1
            original(engine, messages)

        Engine.arrived = counted


@contextmanager
def running(consumer: IdempotentConsumer) -> Iterator[ConsumerProcess]:
    """A consumer that is stopped with the block."""
    process = ConsumerProcess(consumer, host="127.0.0.1", port=0)
    calm_collector()  # as `doublegate run` does
    process.start()
    try:
        yield process
    finally:
        process.stop()


def wait_for(condition: Callable[[], bool], process: ConsumerProcess, deadline: float, what: str) -> None:
    """Look often, cheaply; end at once when the consumer does.

    Raises:
        BrokenCase: when it did not come true in time.
    """
    until = time.monotonic() + deadline
    while not condition():
        if (reason := process.must_end()) is not None:
            raise BrokenCase(f"the consumer ended while {what} was waited for: {reason}")
        if time.monotonic() > until:
            raise BrokenCase(f"{what}: not within {deadline:.0f} s; {process.health.status()}")
        time.sleep(GLANCE_SECONDS)


def runtime(job: Job) -> dict[str, Any]:
    """(f), (g) From the first record that arrives to the last one that the ledger acknowledged as DONE."""
    consumer = consumer_of(job)
    polls, meter = Polls(), Meter(job.pids)
    with running(consumer) as process:
        # The status page's parts, without the page: it is looked at a hundred times a second here.
        state, report = process.health._state, process.health._report

        def decided() -> int:
            return sum(report.decisions.copy().values())

        wait_for(lambda: polls.count > 0, process, JOIN_SECONDS, "the first record")
        meter.start()
        trips = process._ledger.round_trips
        wait_for(
            lambda: state.held == 0 and decided() >= job.events,
            process,
            job.options["deadline"],
            f"{job.events} events",
        )
        meter.stop()
        trips = process._ledger.round_trips - trips
        status = process.health.status()
        _check(status, job)
    _check_commits(job, consumer.spec.kafka.group)
    return meter.result(job.events) | {
        "round_trips_per_batch": trips / max(1, polls.count),
        "events_per_batch": job.events / max(1, polls.count),
        "memory": status["memory"],
        "filter": status["filter"],
    }


def _check(status: dict[str, Any], job: Job) -> None:
    found = {(row["decision"], row["gate"]): row["count"] for row in status["events"]}
    if found != {("done", "handler"): job.events}:
        raise BrokenCase(f"{job.events} events should be done, decided were {found}")


def _check_commits(job: Job, group: str) -> None:
    """What the broker says once the group was left."""
    consumer = Consumer({"bootstrap.servers": job.bootstrap, "group.id": group})
    try:
        wanted = [TopicPartition(job.topic, number) for number in range(PARTITIONS)]
        total = sum(max(0, found.offset) for found in consumer.committed(wanted, timeout=COMMIT_SECONDS))
    finally:
        consumer.close()
    if total != job.events:
        raise BrokenCase(f"{total} of {job.events} offsets are committed")
