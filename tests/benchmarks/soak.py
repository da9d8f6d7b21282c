"""Memory under a steady load: `python -m tests.benchmarks --soak SECONDS`.

The window and `ledger.ttl` are a minute, so that filter, exact memory and ledger are in their steady state
after two; the slope is taken over the rest.
"""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

import numpy as np
import psutil
import redis

from doublegate.local.model import Service
from tests.benchmarks.events import create_topic
from tests.benchmarks.full import JOIN_SECONDS, running, wait_for
from tests.benchmarks.job import Job, run_worker
from tests.benchmarks.latency import steady_producer
from tests.benchmarks.report import machine
from tests.benchmarks.resource import consumer_of
from tests.benchmarks.suite import servers

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from rich.console import Console

__all__ = ["measure", "run"]

RATE = 5000
WINDOW = "1m"
WARM_SECONDS = 150.0
RETENTION = {"retention.ms": "60000", "segment.bytes": str(16 << 20)}
FLAT_SHARE = 0.02
"""Growth over ten minutes, of the memory at the end, that still counts as flat."""
MIB = 1 << 20


def measure(job: Job) -> dict[str, Any]:
    """In the worker: a sample a second while the producer runs."""
    consumer = consumer_of(
        job,
        filter={"expectedRate": RATE, "window": WINDOW},
        ledger={"url": job.redis, "ttl": WINDOW},
        dlq={"retention": "1h"},
    )
    me, samples = psutil.Process(), []
    with redis.Redis.from_url(job.redis) as client, running(consumer) as process:
        wait_for(lambda: not process.health.ready(), process, JOIN_SECONDS, "the group's assignment")
        begun = time.monotonic()
        with steady_producer(job) as producer:
            while producer.poll() is None:
                used = client.info("memory")["used_memory"]
                samples.append((time.monotonic() - begun, me.memory_info().rss, used))
                time.sleep(1.0)
        status = process.health.status()
    done = sum(row["count"] for row in status["events"])
    return {"samples": samples, "done": done, "lag": status["lag"]}


def run(console: Console, say: Callable[[str], None], seconds: int, path: Path) -> None:
    """Start the servers, measure, print the slopes."""
    with servers((Service.KAFKA, Service.VALKEY), say) as stack:
        ends = stack.endpoints
        create_topic(str(ends.bootstrap_servers), "bench-soak", RETENTION)
        options = {"handler": "ignore", "rate": RATE, "seconds": seconds}
        job = Job("soak", str(ends.bootstrap_servers), str(ends.redis_url), "bench-soak", 0, options=options)
        say(f"{RATE}/s for {seconds} s")
        answer = run_worker(job, seconds + 180.0)
    warm = min(WARM_SECONDS, seconds / 2)
    late = np.array([sample for sample in answer["samples"] if sample[0] >= warm])
    result: dict[str, Any] = {"rate": RATE, "seconds": seconds, "done": answer["done"], "machine": machine()}
    for column, name in ((1, "consumer"), (2, "valkey")):
        slope = float(np.polyfit(late[:, 0], late[:, column], 1)[0])
        end = float(late[-1, column])
        growth = slope * 600
        result[name] = {"bytes": end, "bytes_per_second": slope, "growth_in_10_minutes": growth}
        flat = abs(growth) <= end * FLAT_SHARE
        console.print(
            f"{name:9} {end / MIB:8.1f} MiB, {slope / 1024:+8.2f} KiB/s from {warm:.0f} s on, "
            f"{growth / MIB:+.1f} MiB in 10 minutes: {'flat' if flat else 'NOT FLAT'}"
        )
    if seconds < 2 * WARM_SECONDS:
        console.print("Shorter than five minutes: part of the slope is the window filling up.")
    console.print(f"{answer['done']:,} events done, lag {answer['lag']:,}")
    path.write_text(json.dumps(result | {"samples": answer["samples"]}, indent=1) + "\n")
