"""The gate's parts alone, without servers: nanoseconds and bytes per id, at the size of the stated load."""

from __future__ import annotations

import os
import time
from statistics import median
from typing import TYPE_CHECKING, Any

import numpy as np

from doublegate.contract.sizing import exact_memory_size, filter_size
from doublegate.gate.exact import ExactMemory
from doublegate.gate.filter import PartitionFilter
from doublegate.gate.local import LocalGate
from tests.benchmarks.double_gate import FPR, RATE, WINDOW
from tests.benchmarks.feed import BATCH, PARTITIONS
from tests.benchmarks.job import BrokenCase

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tests.benchmarks.job import Job

__all__ = ["micro"]

BATCHES = 50
FILL = 100_000
PAYLOAD_BYTES = 100
RUN_LENGTH = BATCH // 2
"""Records of one partition in a poll batch: the client hands them over in runs."""


def _ids(number: int) -> list[bytes]:
    raw = os.urandom(16 * number).hex().encode()
    return [raw[at : at + 32] for at in range(0, 32 * number, 32)]


def _keys(number: int) -> list[bytes]:
    raw = os.urandom(16 * number)
    return [raw[at : at + 16] for at in range(0, 16 * number, 16)]


def _cpu(calls: Sequence[Callable[[], object]]) -> float:
    """CPU seconds of a call: the median, so that a single disturbance does not count."""
    seconds = []
    for call in calls:
        begun = time.process_time()
        call()
        seconds.append(time.process_time() - begun)
    return median(seconds)


def full_filter() -> tuple[PartitionFilter, dict[str, Any]]:
    """One partition's filter with all generations in use, filled at the stated rate in made-up time."""
    size = filter_size(RATE, WINDOW, FPR, partitions=PARTITIONS)
    now = 0.0
    one = PartitionFilter("bench", size, clock=lambda: now)
    rate = RATE / PARTITIONS
    while now < WINDOW * 1.2:
        one.learn(_keys(BATCH), now=now)
        now += BATCH / rate
    strangers = [_keys(BATCH) for _ in range(BATCHES)]
    hits = BATCH - sum(one.add_all(strangers[0]))
    seconds = _cpu([lambda keys=keys: one.add_all(keys) for keys in strangers[1:]])
    return one, {
        "filter_ns_per_id": seconds / BATCH * 1e9,
        "filter_bytes": size.bytes_total,
        "filter_bytes_used": one.nbytes * PARTITIONS,
        "filter_predicted_fpr": one.predicted_fpr,
        "filter_observed_fpr_first_batch": hits / BATCH,
    }


def full_memory() -> ExactMemory:
    """The exact memory of the stated load, full."""
    memory = ExactMemory(exact_memory_size(rate=RATE, window=WINDOW).entries)
    rng = np.random.default_rng(2013)
    for _ in range(memory.capacity // FILL):
        memory.add(rng.integers(1 << 63, size=(FILL, 2), dtype=np.uint64), np.ones(FILL, np.uint64))
    return memory


def decisions(seen: PartitionFilter) -> dict[str, float]:
    """Microseconds of CPU an event for each decision that needs no network, `LocalGate.screen` as a whole."""
    memory = full_memory()
    gate = LocalGate("bench", memory, conflicts=True)
    runs = [_ids(RUN_LENGTH) for _ in range(BATCHES)]
    payloads = [os.urandom(PAYLOAD_BYTES) for _ in range(RUN_LENGTH)]
    screened = []

    def screen(ids: list[bytes]) -> None:
        screened.append(gate.screen(ids, payloads, seen))

    result = {"new": _cpu([lambda ids=ids: screen(ids) for ids in runs])}
    news = list(screened)
    result["in_flight"] = _cpu([lambda ids=ids: screen(ids) for ids in runs])
    result["acknowledged"] = _cpu([lambda one=one: gate.done(one.keys, one.digests) for one in news])
    result["remembered"] = _cpu([lambda ids=ids: screen(ids) for ids in runs])
    rejected = sum(len(one.remembered) for one in screened[-BATCHES:])
    if rejected != BATCHES * RUN_LENGTH:
        raise BrokenCase(f"only {rejected} of {BATCHES * RUN_LENGTH} ids were remembered")
    return {name: seconds / RUN_LENGTH * 1e6 for name, seconds in result.items()}


def micro(job: Job) -> dict[str, Any]:
    """All of it."""
    del job
    seen, figures = full_filter()
    memory = exact_memory_size(rate=RATE, window=WINDOW)
    return figures | {
        "decision_us": decisions(seen),
        "exact_bytes_per_id": ExactMemory(memory.entries).nbytes / memory.entries,
        "exact_bytes": memory.bytes,
    }
