"""The double gate without the runtime: local gate, then one ledger exchange a batch beside the fetch.

An exchange completes what the last batch performed and claims (or grants) the next; while it is under way the
following batch is fetched and screened. Effects are left out: a held claim is completed at once.
"""

from __future__ import annotations

import secrets
import uuid
from dataclasses import dataclass, field
from itertools import groupby
from typing import TYPE_CHECKING

import numpy as np
from confluent_kafka import Message

from doublegate.contract.headers import CORRELATION_ID
from doublegate.contract.identity import header_id
from doublegate.contract.sizing import exact_memory_size, filter_size
from doublegate.gate.exact import ExactMemory
from doublegate.gate.filter import PartitionFilter
from doublegate.gate.ledger import Ledger
from doublegate.gate.ledger_types import (
    Assignment,
    ClaimOutcome,
    Claims,
    Completions,
    Exchange,
    ExchangeResult,
    LedgerSettings,
)
from doublegate.gate.local import LocalGate
from tests.benchmarks.feed import PARTITIONS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.benchmarks.job import Job

__all__ = ["FPR", "RATE", "WINDOW", "Batch", "Columns", "DoubleGate"]

RATE, WINDOW, FPR = 15_000, 600.0, 0.001
"""The load this was asked for; it sizes the filter and the exact memory."""
OLDER = 300_000
"""Ids that the exact memory holds beforehand."""


@dataclass(slots=True)
class Columns:
    """Rows for the ledger."""

    keys: list[bytes] = field(default_factory=list)
    digests: list[bytes] = field(default_factory=list)
    partitions: list[int] = field(default_factory=list)
    offsets: list[int] = field(default_factory=list)

    def extend(self, other: Columns, rows: Sequence[int]) -> None:
        """Add rows of another."""
        everything = len(rows) == len(other.keys)
        for name in ("keys", "digests", "partitions", "offsets"):
            column = getattr(other, name)
            getattr(self, name).extend(column if everything else [column[row] for row in rows])


@dataclass(slots=True)
class Batch:
    """A screened batch: what needs a claim, what is proven new, and how far each partition came."""

    claims: Columns = field(default_factory=Columns)
    proven: Columns = field(default_factory=Columns)
    ends: dict[int, int] = field(default_factory=dict)


class DoubleGate:
    """Both gates of one process that holds every partition.

    Args:
        job: where the servers are.
        grants: PerPartition; PerEvent otherwise.
    """

    def __init__(self, job: Job, *, grants: bool) -> None:
        scope = f"bench-{uuid.uuid4().hex}"
        memory = ExactMemory(exact_memory_size(rate=RATE, window=WINDOW).entries)
        rng = np.random.default_rng()  # in a process that has run for a while every page is in use
        memory.add(rng.integers(1 << 63, size=(OLDER, 2), dtype=np.uint64), np.ones(OLDER, np.uint64))
        self._local = LocalGate(scope, memory, conflicts=True)
        size = filter_size(RATE, WINDOW, FPR, partitions=PARTITIONS)
        self._filters = [PartitionFilter(f"{scope}/{number}", size) for number in range(PARTITIONS)]
        for one in self._filters:
            one.mark_warm()
        self._ledger = Ledger.connect(job.redis, scope, LedgerSettings())
        self._owner = secrets.token_bytes(8)
        self._ledger.register(self._owner)
        topic = secrets.token_bytes(16)
        epochs = self._ledger.take_epochs([(topic, number) for number in range(PARTITIONS)])
        self._held = [Assignment(topic, number, epoch) for number, epoch in enumerate(epochs)]
        self._grants = grants
        self._at_start = self._ledger.round_trips
        self.done = 0
        self.rejected = {"memory": 0, "inflight": 0, "ledger": 0, "conflict": 0}

    @property
    def round_trips(self) -> int:
        """To the ledger, since the start."""
        return self._ledger.round_trips - self._at_start

    def close(self) -> None:
        """Leave the ledger."""
        self._ledger.retire(self._owner)
        self._ledger.close()

    def screen(self, messages: Sequence[Message]) -> Batch:
        """Everything that needs no network."""
        batch = Batch()
        for number, group in groupby(messages, Message.partition):
            run = list(group)
            ids = [header_id(headers, CORRELATION_ID) for headers in map(Message.headers, run)]
            seen = self._filters[number]
            screened = self._local.screen(ids, list(map(Message.value, run)), seen)
            self.rejected["memory"] += len(screened.remembered)
            self.rejected["inflight"] += len(screened.inflight)
            self.rejected["conflict"] += len(screened.conflicts)
            offsets = list(map(Message.offset, run))
            batch.ends[number] = offsets[-1]
            whole = Columns(screened.keys, screened.digests, [number] * len(run), offsets)
            if self._grants and seen.warm:
                suspected = set(screened.suspected)
                proven = (
                    [row for row in screened.fresh if row not in suspected] if suspected else screened.fresh
                )
                batch.proven.extend(whole, proven)
                batch.claims.extend(whole, screened.suspected)
            else:
                batch.claims.extend(whole, screened.fresh)
        return batch

    def exchange(self, done: Columns, finished: dict[int, int], batch: Batch) -> ExchangeResult:
        """One round trip; on the pool's thread."""
        claims = batch.claims
        return self._ledger.exchange(
            Exchange(
                self._owner,
                self._held,
                completions=Completions(done.keys, done.digests, granted=self._grants),
                claims=Claims(claims.keys, claims.digests, claims.partitions, claims.offsets),
                watermarks=list(finished.items()),
                grants=list(batch.ends.items()) if self._grants else (),
            )
        )

    def answered(self, acknowledged: Columns, batch: Batch, result: ExchangeResult) -> Columns:
        """Take in an answer; returns the rows whose effect happened, to be completed."""
        if acknowledged.keys:
            self._local.done(acknowledged.keys, acknowledged.digests)
            self.done += len(acknowledged.keys)
        claims, done = batch.claims, batch.proven
        if not result.all_new:
            held = [row for row, found in enumerate(result.claims) if found == ClaimOutcome.NEW]
            self.rejected["ledger"] += len(claims.keys) - len(held)
            claims = Columns([claims.keys[row] for row in held], [claims.digests[row] for row in held])
        if not done.keys:
            return claims
        done.keys += claims.keys
        done.digests += claims.digests
        return done
