"""The topic as every case without the runtime reads it: whole batches, from the start, no group."""

from __future__ import annotations

import time
import uuid
from typing import TYPE_CHECKING

from confluent_kafka import Consumer, Message, TopicPartition

from tests.benchmarks.job import BrokenCase

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.benchmarks.job import Job
    from tests.benchmarks.meter import Meter

__all__ = ["BATCH", "PARTITIONS", "batches"]

PARTITIONS = 6
BATCH = 4000
PREFETCH = 200_000
"""Messages that the client may hold per partition: the broker shall not be what is waited for."""
SILENCE_SECONDS = 20.0


def batches(job: Job, meter: Meter) -> Iterator[list[Message]]:
    """The job's events; the meter starts with the first of them."""
    consumer = Consumer(
        {
            "bootstrap.servers": job.bootstrap,
            "group.id": f"bench-{uuid.uuid4().hex}",
            "enable.auto.commit": False,
            "queued.min.messages": PREFETCH,
        }
    )
    try:
        consumer.assign([TopicPartition(job.topic, number, 0) for number in range(PARTITIONS)])
        messages = consumer.consume(1, SILENCE_SECONDS)
        meter.start()
        left = job.events
        heard = time.monotonic()
        while True:
            if messages:
                left -= len(messages)
                heard = time.monotonic()
                yield messages
            elif time.monotonic() - heard > SILENCE_SECONDS:
                raise BrokenCase(f"{job.topic}: nothing came for {SILENCE_SECONDS:.0f} s, {left} are missing")
            if not left:
                return
            messages = consumer.consume(min(BATCH, left), 1.0)
    finally:
        consumer.close()
