"""The cases of the benchmark: what each is, which topic it reads, and how often it runs."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

__all__ = ["BARE", "CASES", "Case", "Lot"]

BARE = "a"
"""The case that the others are measured against."""


class Lot(StrEnum):
    """The topics: same events, other mixtures."""

    FRESH = "fresh"
    """Every id once; one event in a hundred is sampled for tracing."""
    REPEATS = "repeats"
    """A tenth of the ids, each ten times, near in time."""
    TRACED = "traced"
    """Every id once, every event sampled for tracing."""


@dataclass(frozen=True, slots=True)
class Case:
    """One case.

    Attributes:
        title: for the tables.
        lot: the topic it reads.
        share: part of the events that it reads; slow cases read the first ones only.
        rounds: how often it runs at most.
        deadline: seconds after which it is ended and counts as failed.
    """

    title: str
    lot: Lot = Lot.FRESH
    share: float = 1.0
    rounds: int = 99
    deadline: float = 120.0


CASES = {
    "a": Case("bare consume + headers"),
    "b": Case("double gate, PerEvent, all new"),
    "b2": Case("double gate, PerPartition, all new"),
    "c": Case("double gate, 90% duplicates", Lot.REPEATS),
    "d": Case("SET NX + SET per event", share=0.2),
    "e": Case("SET NX pipelined per batch"),
    "f": Case("full runtime, no-op handler, bytes"),
    "f2": Case("full runtime, no-op handler, bytes, PerPartition", rounds=2),
    "f_avro": Case("full runtime, typed Avro", rounds=2),
    "f_traced": Case("full runtime, every event traced", Lot.TRACED, share=0.25, rounds=1),
    "g": Case("full runtime, batches into PostgreSQL", rounds=2),
}
