"""The ledger's keys and the payloads' digests.

xxh3 is not cryptographic, and need not be: who may publish to the topic can suppress an event more simply,
by sending its id first. It is deterministic across processes and platforms, which the filter's snapshots and
the ledger rely on. Collisions of 128 bits: 9,000,000 live ids meet with probability 1.2e-25 (n^2 / 2^129).
"""

from collections.abc import Sequence
from itertools import repeat

from xxhash import xxh3_64_digest, xxh3_64_intdigest, xxh3_128_digest

__all__ = ["DIGEST_BYTES", "KEY_BYTES", "NO_DIGEST", "TOMBSTONE_DIGEST", "Keyspace", "payload_digests"]

KEY_BYTES = 16
DIGEST_BYTES = 8
NO_DIGEST = bytes(DIGEST_BYTES)
"""Every payload's digest where `identity.conflictOn` is None: no two payloads ever conflict."""
TOMBSTONE_DIGEST = xxh3_64_digest(b"doublegate:tombstone")
"""A null payload is an event, and not the same as an empty one."""


class Keyspace:
    """The keys of one scope: 128-bit digests of (scope, id), so two groups on one topic never meet."""

    def __init__(self, scope: str) -> None:
        self._seed = xxh3_64_intdigest(scope.encode())

    def keys(self, ids: Sequence[bytes]) -> list[bytes]:
        """The keys of `ids`, 16 bytes each."""
        return list(map(xxh3_128_digest, ids, repeat(self._seed)))

    def line(self, record_key: bytes) -> bytes:
        """The digest of a record key's line, where events wait for an earlier one of their key (ParkKey)."""
        return xxh3_128_digest(b"\0line\0" + record_key, self._seed)

    def key(self, event_id: bytes) -> bytes:
        """The key of one id."""
        return xxh3_128_digest(event_id, self._seed)


def payload_digests(payloads: Sequence[bytes | None]) -> list[bytes]:
    """The digests of `payloads`, 8 bytes each."""
    try:
        return list(map(xxh3_64_digest, payloads))  # type: ignore[arg-type]
    except TypeError:  # a tombstone among them, which is rare
        return [TOMBSTONE_DIGEST if p is None else xxh3_64_digest(p) for p in payloads]
