"""Exact memory: ids acknowledged as DONE, the only local ground for rejecting an event.

A set-associative table in flat numpy arrays, probed by whole batches. The first word of a key picks a
bucket of 32 slots, the second is the fingerprint; a slot holds fingerprint and payload digest. A full
bucket overwrites its oldest slot, so memory never grows and the youngest ids stay: of the last `capacity`
distinct ids at least 99% are retained (`doublegate.contract.sizing.exact_memory_size` has the formula).

A stranger passes for a known id with probability 32 / 2^64 per lookup, before the digest is compared.
Not thread-safe, by design: one thread owns it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from doublegate.contract import sizing

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

MISS: Final = 0
"""Not remembered: the ledger decides."""
SAME: Final = 1
"""Done with this very payload digest: a duplicate."""
OTHER: Final = 2
"""Done with another digest: a conflict."""

_WAYS: Final = sizing.EXACT_WAYS
_HALF: Final = np.uint64(32)
_ONE: Final = np.uint64(1)


def key_words(keys: Sequence[bytes]) -> NDArray[np.uint64]:
    """Sixteen-byte keys as an (n, 2) array."""
    return np.frombuffer(b"".join(keys), dtype=np.uint64).reshape(-1, 2)


def digest_words(digests: Sequence[bytes]) -> NDArray[np.uint64]:
    """Eight-byte digests as an (n,) array."""
    return np.frombuffer(b"".join(digests), dtype=np.uint64)


class ExactMemory:
    """The youngest `capacity` DONE ids with their payload digests, in at most 24 bytes each.

    Args:
        capacity: Ids to keep; less than one bucket's worth (22) still takes one bucket.
    """

    def __init__(self, capacity: int) -> None:
        if capacity < 1:
            raise ValueError(f"capacity is {capacity}: at least one id")
        buckets = sizing.exact_buckets(capacity)
        if buckets >= 1 << 32:
            raise ValueError(f"capacity is {capacity}: more than 2^32 buckets cannot be addressed")
        self.capacity = capacity
        self._buckets = np.uint64(buckets)
        # Every page is touched at once: a pod too small fails at its start, and no event pays a page fault.
        self._fingerprints = np.full((buckets, _WAYS), 0, np.uint64)  # 0 marks an empty slot
        self._digests = np.full((buckets, _WAYS), 0, np.uint64)
        self._oldest = np.zeros(buckets, np.uint8)
        self._first = np.zeros(buckets, np.uint32)  # scratch: who of a batch comes first in a bucket
        self._size = 0

    def __len__(self) -> int:
        return self._size

    @property
    def nbytes(self) -> int:
        """Bytes of all arrays, the same from birth on."""
        return sum(a.nbytes for a in (self._fingerprints, self._digests, self._oldest, self._first))

    def lookup(self, keys: NDArray[np.uint64], digests: NDArray[np.uint64]) -> NDArray[np.uint8]:
        """Say of each event whether its id is remembered.

        Args:
            keys: Digests of (scope, id), shape (n, 2).
            digests: Payload digests, shape (n,).

        Returns:
            `MISS`, `SAME` or `OTHER` for each.
        """
        answer = np.zeros(len(keys), np.uint8)
        bucket, fingerprint = self._place(keys)
        found, slot = self._find(bucket, fingerprint)
        if len(found):
            same = self._digests.reshape(-1).take(slot) == digests[found]
            answer[found] = np.where(same, np.uint8(SAME), np.uint8(OTHER))
        return answer

    def add(self, keys: NDArray[np.uint64], digests: NDArray[np.uint64]) -> None:
        """Remember ids; one that is there keeps its slot and age and takes the new digest.

        Args:
            keys: Digests of (scope, id), shape (n, 2).
            digests: Payload digests, shape (n,).
        """
        if not len(keys):
            return
        bucket, fingerprint = self._place(keys)
        # One key per bucket and round: later ones see what earlier ones wrote.
        first = self._first_of_bucket(bucket)
        self._write(bucket[first], fingerprint[first], digests[first])
        rest = np.flatnonzero(~first)
        if len(rest):
            backwards = rest[::-1]  # of a repeated key the last digest counts, once
            rest = np.sort(backwards[np.unique(fingerprint[backwards], return_index=True)[1]])
        while len(rest):
            first = self._first_of_bucket(bucket[rest])
            now, rest = rest[first], rest[~first]
            self._write(bucket[now], fingerprint[now], digests[now])

    def forget_all(self) -> None:
        """Empty it: after a reprocess order, or when the ledger behind it was lost."""
        self._fingerprints.fill(0)
        self._size = 0

    def _place(self, keys: NDArray[np.uint64]) -> tuple[NDArray[np.intp], NDArray[np.uint64]]:
        # Upper half times buckets, shifted: a fair range reduction without division (Lemire 2019).
        bucket = ((keys[:, 0] >> _HALF) * self._buckets) >> _HALF
        return bucket.astype(np.intp), np.maximum(keys[:, 1], _ONE)

    def _find(
        self, bucket: NDArray[np.intp], fingerprint: NDArray[np.uint64]
    ) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """Which of the batch are there, and in which slot of the flat table."""
        hits = np.flatnonzero(self._fingerprints.take(bucket, axis=0) == fingerprint[:, None])
        found, way = np.divmod(hits, _WAYS)
        return found, bucket[found] * _WAYS + way

    def _first_of_bucket(self, bucket: NDArray[np.intp]) -> NDArray[np.bool_]:
        order = np.arange(len(bucket), dtype=np.uint32)
        self._first[bucket] = len(bucket)
        np.minimum.at(self._first, bucket, order)
        first: NDArray[np.bool_] = self._first[bucket] == order
        return first

    def _write(
        self, bucket: NDArray[np.intp], fingerprint: NDArray[np.uint64], digests: NDArray[np.uint64]
    ) -> None:
        """Write keys of different buckets."""
        found, known = self._find(bucket, fingerprint)
        way = self._oldest[bucket].astype(np.intp)
        slot = bucket * _WAYS + way
        slot[found] = known
        fresh = np.ones(len(bucket), np.bool_)
        fresh[found] = False
        table = self._fingerprints.reshape(-1)
        self._size += int(np.count_nonzero(table.take(slot) == 0))
        table[slot] = fingerprint
        self._digests.reshape(-1)[slot] = digests
        self._oldest[bucket] = (way + fresh) % _WAYS
