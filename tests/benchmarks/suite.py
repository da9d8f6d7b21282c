"""A whole run: servers, topics, warm-up, then the cases round by round."""

from __future__ import annotations

import os
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import psycopg
import redis

from doublegate.contract.secrets import ROOT_VARIABLE
from doublegate.local.model import Service
from doublegate.local.stack import Stack
from tests.benchmarks import events
from tests.benchmarks.cases import BARE, CASES, Lot
from tests.benchmarks.handlers import TABLE
from tests.benchmarks.job import BrokenCase, Job, run_worker
from tests.benchmarks.resource import INBOX_SECRET

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

__all__ = ["Suite", "clear", "servers", "topic_of"]

Answer = dict[str, Any]
MICRO_DEADLINE = 120.0
STEADY_TOPIC = "bench-steady"
RATE, SECONDS = 2000, 10
OPTIONS: dict[str, dict[str, Any]] = {
    "c": {"duplicates": events.DUPLICATES},
    "f": {"handler": "ignore"},
    "f2": {"handler": "ignore", "grants": True},
    "f_avro": {"handler": "ignore_typed", "typed": True},
    "f_traced": {"handler": "ignore"},
    "g": {"handler": "write_rows", "inbox": True},
}


@contextmanager
def servers(services: Sequence[Service], say: Callable[[str], None]) -> Iterator[Stack]:
    """Servers of our own, gone with the block together with their data."""
    with TemporaryDirectory(prefix="doublegate-bench-") as home, Stack(Path(home), services, say) as stack:
        yield stack


@dataclass
class Suite:
    """What is measured, where.

    Attributes:
        stack: the servers.
        total: events of a topic.
        say: told of each step.
        answers: what the workers said, by case, a round each.
    """

    stack: Stack
    total: int
    say: Callable[[str], None]
    answers: dict[str, list[Answer]] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)
    payload_bytes: int = 0

    def publish(self, lots: Sequence[Lot]) -> None:
        """Fill the topics."""
        ends = self.stack.endpoints
        for lot in lots:
            count = self._events(lot)
            encode = events.encoder(str(ends.registry_url), topic_of(lot))
            self.say(f"{count:,} events into {topic_of(lot)}")
            size = events.publish(str(ends.bootstrap_servers), topic_of(lot), lot, count, encode)
            self.payload_bytes = size

    def warm_up(self, lots: Sequence[Lot]) -> None:
        """Once through every topic, so that no case pays for a cold broker."""
        self.say("warm-up, not counted")
        for lot in lots:
            run_worker(self._job(BARE, lot, self._events(lot)), CASES[BARE].deadline)

    def rounds(self, names: Sequence[str], rounds: int) -> None:
        """A B C .., A B C ..; a case that breaks is reported and left out."""
        for number in range(rounds):
            for name in names:
                if number < CASES[name].rounds and name not in self.failed:
                    self._round(name, number)

    def _round(self, name: str, number: int) -> None:
        case = CASES[name]
        count = self._events(case.lot) if case.lot is Lot.TRACED else int(self.total * case.share)
        job = self._job(name, case.lot, count)
        clear(job.redis)
        if name == "g":
            self._prepare_table()
        try:
            with self._secrets() as env:
                answer = run_worker(job, case.deadline + 90, env=env)
        except BrokenCase as error:
            self.failed[name] = str(error)
            self.say(f"round {number + 1}: {name:8} BROKEN: {error}")
            return
        self.answers.setdefault(name, []).append(answer)
        self.say(
            f"round {number + 1}: {name:8} {answer['events_per_second']:>9,.0f}/s "
            f"{answer['events_per_cpu_second']:>9,.0f} per CPU s  {case.title}"
        )

    def latency(self) -> Answer | None:
        """From produce to DONE at a fixed rate."""
        self.say(f"latency at {RATE}/s for {SECONDS} s")
        ends = self.stack.endpoints
        events.create_topic(str(ends.bootstrap_servers), STEADY_TOPIC)
        options = {"rate": RATE, "seconds": SECONDS, "handler": "ignore"}
        job = self._job("latency", Lot.FRESH, 0, topic=STEADY_TOPIC, options=options)
        return self._extra(job)

    def micro(self) -> Answer | None:
        """The gate's parts alone."""
        self.say("the gate's parts alone")
        return self._extra(Job("micro", "", "", "", 0))

    def _extra(self, job: Job) -> Answer | None:
        try:
            return run_worker(job, MICRO_DEADLINE)
        except BrokenCase as error:
            self.failed[job.case] = str(error)
            self.say(f"{job.case} BROKEN: {error}")
            return None

    def _events(self, lot: Lot) -> int:
        if lot is Lot.TRACED:
            return int(self.total * CASES["f_traced"].share)
        return self.total

    def _job(
        self, name: str, lot: Lot, count: int, *, topic: str | None = None, options: Answer | None = None
    ) -> Job:
        ends = self.stack.endpoints
        pids = {status.service.value: status.pid for status in self.stack.status() if status.pid}
        runtime = name.startswith(("f", "g", "latency"))
        chosen = options or OPTIONS.get(name, {})
        return Job(
            name,
            str(ends.bootstrap_servers),
            str(ends.redis_url),
            topic or topic_of(lot),
            count,
            registry=str(ends.registry_url),
            otlp=str(ends.otlp_endpoint) if runtime and ends.otlp_endpoint else "",
            pids=pids,
            options=chosen | ({"deadline": CASES[name].deadline} if name in CASES else {}),
        )

    def _prepare_table(self) -> None:
        with psycopg.connect(str(self.stack.endpoints.postgres_url), autocommit=True) as connection:
            connection.execute(f"DROP TABLE IF EXISTS {TABLE}")
            connection.execute(f"CREATE TABLE {TABLE} (event_id text, partition int, position bigint)")

    @contextmanager
    def _secrets(self) -> Iterator[dict[str, str]]:
        """The inbox's connection, as the runtime reads it."""
        with TemporaryDirectory(prefix="doublegate-bench-") as root:
            folder = Path(root) / INBOX_SECRET
            folder.mkdir()
            (folder / "dsn").write_text(str(self.stack.endpoints.postgres_url))
            yield {**os.environ, ROOT_VARIABLE: root}


def clear(redis_url: str) -> None:
    """Empty the ledger's server."""
    with redis.Redis.from_url(redis_url) as client:
        client.execute_command("FLUSHALL", "SYNC")  # without SYNC it only begins to


def topic_of(lot: Lot) -> str:
    """The topic's name."""
    return f"bench-{lot}"
