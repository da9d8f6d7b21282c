"""What a pod needs in memory, whether its limit gives that, and the nearest values that would fit.

A pod may hold every partition, when it is the last one alive, so it is sized for all of them, by the very
functions that the runtime allocates by.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from doublegate.contract.consumer_spec import ConsumerSpec
from doublegate.contract.gate_spec import ClaimMode
from doublegate.contract.sizing import exact_memory_size, filter_size
from doublegate.contract.units import format_duration
from doublegate_operator.core.quantity import mebibytes, parse_quantity
from doublegate_operator.core.reasons import Reason
from doublegate_operator.core.status import Finding

__all__ = ["PodMemory", "memory_limit", "pod_memory", "ttl_warning", "unfit"]

BASE_BYTES = 160 << 20
"""Interpreter, clients and their buffers, without any event: measured 120 to 150 MiB, and some room."""
_COPIES = 2  # an event's bytes as fetched, and as decoded for its handler
_MAX_FPR = 0.1
_MAX_RATE = 10_000_000


@dataclass(frozen=True, slots=True)
class PodMemory:
    """Memory of a pod that holds all partitions, in bytes.

    Attributes:
        filter: gate 1.
        exact: the ids that it rejects by itself.
        events: held at most, `flow.maxBytes`, twice.
    """

    filter: int
    exact: int
    events: int

    @property
    def gate(self) -> int:
        """Filter and exact memory."""
        return self.filter + self.exact

    @property
    def needed(self) -> int:
        """All of it."""
        return self.gate + self.events + BASE_BYTES


def pod_memory(
    spec: ConsumerSpec,
    partitions: int,
    *,
    rate: float | None = None,
    window: float | None = None,
    fpr: float | None = None,
    entries: int | None = None,
) -> PodMemory:
    """Memory of a pod; the keywords stand in for the resource's own values."""
    own = spec.filter
    rate, window = rate or own.expected_rate, window or own.window
    size = filter_size(rate, window, fpr or own.false_positive_rate, own.generations, partitions)
    exact = exact_memory_size(rate=rate, window=window, entries=entries or own.exact_entries)
    return PodMemory(size.bytes_total, exact.bytes, spec.flow.max_bytes * _COPIES)


def memory_limit(spec: ConsumerSpec) -> int | Finding | None:
    """`pod.resources.limits.memory` in bytes; None when absent, a finding when it is no quantity."""
    limits = spec.pod.resources.get("limits")
    given = limits.get("memory") if isinstance(limits, dict) else None
    if given is None:
        return None
    size = parse_quantity(given)
    if size is None:
        text = f"spec.pod.resources.limits.memory: given {given}; allowed: a quantity such as 512Mi or 2Gi"
        return Finding("True", Reason.INVALID, text)
    return size


def unfit(spec: ConsumerSpec, partitions: int) -> Finding | None:
    """Why the filter does not fit into the pod's memory, and what would; None when it fits."""
    limit = memory_limit(spec)
    if limit is None or isinstance(limit, Finding):
        return limit
    memory = pod_memory(spec, partitions)
    if memory.needed <= limit:
        return None
    text = (
        f"A pod needs {mebibytes(memory.needed)} and its limit is {mebibytes(limit)}: "
        f"filter {mebibytes(memory.filter)} and exact memory {mebibytes(memory.exact)} for {partitions} "
        f"partitions (expectedRate {spec.filter.expected_rate:g}, "
        f"window {format_duration(spec.filter.window)}, "
        f"falsePositiveRate {spec.filter.false_positive_rate:g}), "
        f"events {mebibytes(memory.events)} (twice flow.maxBytes), the process {mebibytes(BASE_BYTES)}. "
        f"Any one of these fits: {', '.join(_that_fit(spec, partitions, limit))}."
    )
    return Finding("True", Reason.FILTER_TOO_LARGE, text)


def ttl_warning(spec: ConsumerSpec) -> str | None:
    """Why DONE entries may be gone while their event still comes again; None when `ledger.ttl` covers that.

    An event comes again as a producer's duplicate within `filter.window`, which is what the window is for,
    and after a crash, when it was finished while an older one of its partition was still in its retries.
    The latter is taken twice: the next owner goes through the same retries.
    """
    retries, ttl = spec.retries, spec.ledger.ttl
    waits = (
        sum(
            min(retries.initial_backoff * 2.0**nth, retries.max_backoff)
            for nth in range(min(retries.attempts - 1, 64))
        )
        + max(0, retries.attempts - 65) * retries.max_backoff
    )
    redelivery = 2 * (retries.attempts * spec.handler.timeout + waits)
    least = max(spec.filter.window, redelivery)
    if ttl >= least:
        return None
    cause = (
        "filter.window, within which producers send again"
        if spec.filter.window >= redelivery
        else "twice the attempts of an event with their waits, after which it may be delivered again"
    )
    return (
        f"ledger.ttl {format_duration(ttl)} is shorter than {format_duration(math.ceil(least))} ({cause}): "
        "an id could be forgotten before its last copy came. Raise ledger.ttl."
    )


def _that_fit(spec: ConsumerSpec, partitions: int, limit: int) -> Iterator[str]:
    def fits(**values: float) -> bool:
        return pod_memory(spec, partitions, **values).needed <= limit  # type: ignore[arg-type]

    yield f"pod.resources.limits.memory {mebibytes(pod_memory(spec, partitions).needed)}"
    window = _largest(lambda seconds: fits(window=seconds), math.floor(spec.filter.window))
    bound = spec.ledger.ttl if spec.ledger.claim is ClaimMode.PER_PARTITION else 0  # its own rule
    if window is not None and window >= bound:
        yield f"filter.window {format_duration(window)}"
    rate = _largest(lambda rate: fits(rate=rate), math.floor(spec.filter.expected_rate))
    if rate is not None:
        yield f"filter.expectedRate {rate}"
    for thousandth in (1, 2, 5, 10, 20, 50, 100):
        fpr = thousandth / 1000
        if spec.filter.false_positive_rate < fpr <= _MAX_FPR and fits(fpr=fpr):
            yield f"filter.falsePositiveRate {fpr:g}"
            break
    if spec.filter.exact_entries is not None:
        entries = _largest(lambda entries: fits(entries=entries), spec.filter.exact_entries)
        if entries is not None:
            yield f"filter.exactEntries {entries}"


def _largest(fits: Callable[[int], bool], most: int) -> int | None:
    """The largest whole number from 1 to `most` that fits; None when 1 does not."""
    if most < 1 or not fits(1):
        return None
    low, high = 1, most
    while low < high:
        middle = (low + high + 1) // 2
        if fits(middle):
            low = middle
        else:
            high = middle - 1
    return low
