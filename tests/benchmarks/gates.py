"""(b), (b2), (c): the double gate over a whole topic, its exchanges beside the fetch of the next batch."""

from __future__ import annotations

import time
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import redis

from tests.benchmarks.double_gate import Batch, Columns, DoubleGate
from tests.benchmarks.feed import batches
from tests.benchmarks.job import BrokenCase
from tests.benchmarks.meter import Meter

if TYPE_CHECKING:
    from doublegate.gate.ledger_types import ExchangeResult
    from tests.benchmarks.job import Job

__all__ = ["per_event", "per_partition"]

_SETTLE_SECONDS = 0.5


def per_event(job: Job) -> dict[str, Any]:
    """(b), (c) Every new event is claimed before its effect and completed after it."""
    return _run(job, grants=False)


def per_partition(job: Job) -> dict[str, Any]:
    """(b2) What the warm filter proves to be new needs no claim, only its range's grant."""
    return _run(job, grants=True)


def _run(job: Job, *, grants: bool) -> dict[str, Any]:
    with redis.Redis.from_url(job.redis) as client:
        before = client.info("memory")["used_memory"]
        gate = DoubleGate(job, grants=grants)
        meter = Meter(job.pids)
        polls = _consume(job, gate, meter)
        trips = gate.round_trips
        gate.close()
        time.sleep(_SETTLE_SECONDS)  # the server frees the connection's buffers
        after = client.info("memory")["used_memory"]
    unique = job.events - round(job.events * job.options.get("duplicates", 0.0))
    if gate.done != unique or gate.done + sum(gate.rejected.values()) != job.events:
        raise BrokenCase(
            f"{gate.done} done, {gate.rejected} rejected, but {unique} of {job.events} are unique"
        )
    return meter.result(job.events) | {
        "round_trips_per_batch": trips / polls,
        "events_per_batch": job.events / polls,
        "rejected": gate.rejected,
        "ledger_bytes_per_id": (after - before) / unique,
    }


def _consume(job: Job, gate: DoubleGate, meter: Meter) -> int:
    polls = 0
    asked: Future[ExchangeResult] | None = None
    batch, completed = Batch(), Columns()
    with ThreadPoolExecutor(1, "ledger") as pool:
        for messages in batches(job, meter):
            polls += 1
            coming = gate.screen(messages)
            finished: dict[int, int] = {}
            if asked is not None:
                completed = gate.answered(completed, batch, asked.result())
                finished = batch.ends
            asked = pool.submit(gate.exchange, completed, finished, coming)
            batch = coming
        if asked is not None:
            completed = gate.answered(completed, batch, asked.result())
            gate.answered(completed, Batch(), gate.exchange(completed, batch.ends, Batch()))
    meter.stop()
    return polls
