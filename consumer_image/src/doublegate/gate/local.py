"""Gate 1, composed: what this process alone can say about a batch, without network.

In flight, exact memory, filter. Only the first two reject; the filter's word is a hint (and, where it is warm
and the claim mode allows, proof that an id is new).
"""

from collections import deque
from collections.abc import Sequence
from itertools import repeat
from typing import NamedTuple

import numpy as np

from doublegate.gate.exact import MISS, OTHER, SAME, ExactMemory, digest_words, key_words
from doublegate.gate.filter import PartitionFilter
from doublegate.gate.keys import NO_DIGEST, Keyspace, payload_digests

__all__ = ["LocalGate", "Screened"]


def _pick(column: Sequence[bytes], rows: Sequence[int]) -> Sequence[bytes]:
    return column if len(rows) == len(column) else [column[row] for row in rows]


class Screened(NamedTuple):
    """What became of a batch; every row is in exactly one of `fresh`, the duplicates and `conflicts`.

    Attributes:
        keys: the ledger's keys, 16 bytes each, one a row.
        digests: the payloads' digests, 8 bytes each, one a row.
        fresh: rows that nothing here can reject; they are in flight from now on.
        remembered: rows that exact memory knows as DONE.
        inflight: rows whose id is already in flight here.
        conflicts: rows whose id is known with another payload.
        suspected: those of `fresh` that the filter may have seen.
    """

    keys: list[bytes]
    digests: list[bytes]
    fresh: list[int]
    remembered: list[int]
    inflight: list[int]
    conflicts: list[int]
    suspected: list[int]


class LocalGate:
    """The first gate of one process; not thread-safe, one thread owns it.

    Args:
        scope: whose "once" it is.
        memory: acknowledged DONE ids.
        conflicts: whether another payload under the same id is a conflict.
    """

    def __init__(self, scope: str, memory: ExactMemory, *, conflicts: bool) -> None:
        self.scope = scope
        self.keyspace = Keyspace(scope)
        self.memory = memory
        self._conflicts = conflicts
        self.inflight: dict[bytes, bytes] = {}
        """Key to digest of ids that are not yet acknowledged as DONE; never evicted."""

    def screen(
        self,
        ids: Sequence[bytes],
        payloads: Sequence[bytes | None],
        seen: PartitionFilter | None = None,
        last_offset: int | None = None,
        keyspace: Keyspace | None = None,
    ) -> Screened:
        """Screen rows of one partition, in delivery order.

        Args:
            ids: event ids.
            payloads: their payloads.
            seen: the partition's filter; None skips it.
            last_offset: of the batch, for the filter's snapshots.
            keyspace: another one than the scope's own, for what runs again on purpose.
        """
        keys = (keyspace or self.keyspace).keys(ids)
        digests = payload_digests(payloads) if self._conflicts else [NO_DIGEST] * len(keys)
        remembered: list[int] = []
        conflicts: list[int] = []
        rows: Sequence[int] = range(len(keys))
        if len(self.memory):
            known = self.memory.lookup(key_words(keys), digest_words(digests))
            if known.any():
                remembered = np.flatnonzero(known == SAME).tolist()
                conflicts = np.flatnonzero(known == OTHER).tolist()
                rows = np.flatnonzero(known == MISS).tolist()
        fresh, doubles, others = self._take_off(rows, keys, digests)
        suspected: list[int] = []
        if seen is not None and fresh:
            news = seen.add_all(_pick(keys, fresh), last_offset=last_offset)
            if not all(news):
                suspected = [row for row, new in zip(fresh, news, strict=True) if not new]
        return Screened(keys, digests, fresh, remembered, doubles, conflicts + others, suspected)

    def _take_off(
        self, rows: Sequence[int], keys: Sequence[bytes], digests: Sequence[bytes]
    ) -> tuple[list[int], list[int], list[int]]:
        """Put rows in flight: those that were not, those that were, those that were with another payload."""
        inflight = self.inflight
        starting = _pick(keys, rows)
        if inflight.keys().isdisjoint(starting):
            before = len(inflight)
            inflight.update(zip(starting, _pick(digests, rows), strict=True))
            if len(inflight) - before == len(rows):
                return list(rows), [], []
            self.let_go(starting)  # some id is there twice: row by row
        fresh: list[int] = []
        doubles: list[int] = []
        conflicts: list[int] = []
        for row in rows:
            digest = inflight.get(keys[row])
            if digest is None:
                inflight[keys[row]] = digests[row]
                fresh.append(row)
            elif digest == digests[row]:
                doubles.append(row)
            else:
                conflicts.append(row)
        return fresh, doubles, conflicts

    def done(self, keys: Sequence[bytes], digests: Sequence[bytes]) -> None:
        """The ledger acknowledged these as DONE: remember them, and let go of them."""
        self.memory.add(key_words(keys), digest_words(digests))
        self.let_go(keys)

    def let_go(self, keys: Sequence[bytes]) -> None:
        """These are no longer in flight here."""
        deque(map(self.inflight.pop, keys, repeat(None)), maxlen=0)  # a loop without Python's steps
