"""The cases without Doublegate: bare consuming, and what idempotency libraries usually do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import redis

from doublegate.contract.headers import CORRELATION_ID
from tests.benchmarks.feed import batches
from tests.benchmarks.job import BrokenCase
from tests.benchmarks.meter import Meter

if TYPE_CHECKING:
    from collections.abc import Sequence

    from confluent_kafka import Message

    from tests.benchmarks.job import Job

__all__ = ["bare", "one_by_one", "pipelined"]

TTL_SECONDS = 3600


def event_ids(messages: Sequence[Message]) -> list[bytes]:
    """The event ids in the headers, found in the plainest way."""
    ids = []
    for message in messages:
        for name, value in message.headers():
            if name == CORRELATION_ID:
                ids.append(value)
                break
    return ids


def bare(job: Job) -> dict[str, Any]:
    """(a) Nothing but reading."""
    meter = Meter(job.pids)
    seen = sum(len(event_ids(messages)) for messages in batches(job, meter))
    meter.stop()
    return _result(meter, job, seen)


def one_by_one(job: Job) -> dict[str, Any]:
    """(d) `SET NX` before the effect and `SET` after it, event by event."""
    meter = Meter(job.pids)
    new = 0
    with redis.Redis.from_url(job.redis) as client:
        for messages in batches(job, meter):
            for event_id in event_ids(messages):
                if client.set(event_id, b"INPROGRESS", nx=True, ex=TTL_SECONDS):
                    new += 1
                    client.set(event_id, b"COMPLETED", ex=TTL_SECONDS)
        meter.stop()
    return _result(meter, job, new)


def pipelined(job: Job) -> dict[str, Any]:
    """(e) One pipeline of `SET NX` a batch, no filter, no completion."""
    meter = Meter(job.pids)
    new = 0
    with redis.Redis.from_url(job.redis) as client:
        for messages in batches(job, meter):
            pipeline = client.pipeline(transaction=False)
            for event_id in event_ids(messages):
                pipeline.set(event_id, b"1", nx=True, ex=TTL_SECONDS)
            new += sum(map(bool, pipeline.execute()))
        meter.stop()
    return _result(meter, job, new)


def _result(meter: Meter, job: Job, new: int) -> dict[str, Any]:
    if new != job.events:
        raise BrokenCase(f"{new} of {job.events} events were new")
    return meter.result(job.events)
