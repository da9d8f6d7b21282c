"""Latency from `produce` to DONE at a rate that leaves the machine room."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

from doublegate.runtime.state import State
from tests.benchmarks.full import JOIN_SECONDS, running, wait_for
from tests.benchmarks.job import ROOT, BrokenCase
from tests.benchmarks.resource import consumer_of
from tests.benchmarks.steady import SENT

if TYPE_CHECKING:
    from collections.abc import Iterator

    from doublegate.runtime.record import Record
    from tests.benchmarks.job import Job

__all__ = ["latency", "steady_producer"]

STOP_SECONDS = 10.0


@contextmanager
def steady_producer(job: Job) -> Iterator[subprocess.Popen[str]]:
    """The producer at `options.rate` for `options.seconds`; ended with the block."""
    order = {
        "bootstrap": job.bootstrap,
        "topic": job.topic,
        "rate": job.options["rate"],
        "seconds": job.options["seconds"],
    }
    command = [sys.executable, "-m", "tests.benchmarks.steady", json.dumps(order)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as producer:
        try:
            yield producer
        finally:
            producer.terminate()
            try:
                producer.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                producer.kill()


def latency(job: Job) -> dict[str, Any]:
    """Percentiles over the events sent after the first second and a half."""
    times: list[tuple[int, int]] = []
    original = State.done

    def noted(state: State, records: list[Record]) -> None:
        """The ledger's acknowledgement of DONE passes here."""
        now = time.time_ns()
        times.extend((sent, now) for record in records if (sent := _sent(record)))
        original(state, records)

    State.done = noted
    with running(consumer_of(job)) as process:
        wait_for(lambda: not process.health.ready(), process, JOIN_SECONDS, "the group's assignment")
        with steady_producer(job) as producer:
            out, _ = producer.communicate(timeout=job.options["seconds"] + 30)
            sent = int(out)
            wait_for(lambda: len(times) >= sent, process, 30.0, f"{sent} events")
    if len(times) != sent:
        raise BrokenCase(f"{len(times)} of {sent} events were done")
    first = min(moment for moment, _ in times) + 1_500_000_000
    waits = np.array([(done - moment) / 1e6 for moment, done in times if moment >= first])
    p50, p99 = np.percentile(waits, [50, 99])
    return {
        "p50": float(p50),
        "p99": float(p99),
        "max": float(waits.max()),
        "events": len(waits),
        "rate": job.options["rate"],
    }


def _sent(record: Record) -> int:
    return next((int(value) for name, value in record.headers if name == SENT and value), 0)
