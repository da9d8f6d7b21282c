"""A producer at a fixed rate, as a process of its own: `python -m tests.benchmarks.steady ORDER`."""

from __future__ import annotations

import json
import os
import random
import sys
import time
import uuid
from contextlib import suppress

from confluent_kafka import Producer

from doublegate.contract.headers import CORRELATION_ID, TRACEPARENT
from tests.benchmarks.events import SAMPLED, trace_header

__all__ = ["SENT"]

SENT = "bench_sent"
"""Header with the time at which `produce` was called, nanoseconds since the epoch."""
TICK_SECONDS = 0.002
FLUSH_SECONDS = 20.0


def send(bootstrap: str, topic: str, rate: float, seconds: float) -> int:
    """Send evenly until the time is over or the parent is gone; returns how many."""
    rng = random.Random()
    producer = Producer({"bootstrap.servers": bootstrap, "linger.ms": 2, "enable.idempotence": True})
    payload, sent, parent = rng.randbytes(100), 0, os.getppid()
    begun = time.perf_counter()
    while (passed := time.perf_counter() - begun) < seconds and os.getppid() == parent:
        for _ in range(int(rate * passed) - sent):
            headers: list[tuple[str, str | bytes | None]] = [
                (CORRELATION_ID, uuid.uuid4().hex.encode()),
                (TRACEPARENT, trace_header(rng, sampled=rng.random() < SAMPLED)),
                (SENT, b"%d" % time.time_ns()),
            ]
            with suppress(BufferError):
                producer.produce(topic, key=b"%d" % (sent % 5000), value=payload, headers=headers)
            sent += 1
        producer.poll(0)
        time.sleep(TICK_SECONDS)
    if left := producer.flush(FLUSH_SECONDS):
        raise SystemExit(f"{left} events were not acknowledged")
    return sent


if __name__ == "__main__":
    order = json.loads(sys.argv[1])
    sys.stdout.write(f"{send(**order)}\n")
