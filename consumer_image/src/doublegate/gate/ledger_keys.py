"""Names of the ledger's keys: `<scope tag>{<bucket>}` and a digest, or the name of a bucket's own hash.

The tag is 4 printable characters, so a Redis ACL confines a consumer with `~<tag>*`. Tags of two scopes
may meet by chance; the entries' digests and the hashes' names carry the whole scope, so data never does.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

from doublegate.contract.scope import scope_name, scope_tag

__all__ = ["MAX_BUCKETS", "ScopeKeys"]

MAX_BUCKETS = 16
_HEX = b"0123456789abcdef"


@dataclass(frozen=True, slots=True)
class ScopeKeys:
    """The keys of one scope.

    Attributes:
        scope: whose "once" it is.
        buckets: number of hash tags, 1 to 16.
        prefixes: the first 7 bytes of the entries' keys, by bucket.
    """

    scope: str
    buckets: int
    prefixes: tuple[bytes, ...]

    @classmethod
    def of(cls, scope: str, buckets: int) -> Self:
        """The keys of a scope spread over so many buckets."""
        if not 1 <= buckets <= MAX_BUCKETS:
            raise ValueError(f"buckets: {buckets} is not within 1..{MAX_BUCKETS}")
        tag = scope_tag(scope).encode()
        return cls(scope, buckets, tuple(b"%s{%c}" % (tag, _HEX[bucket]) for bucket in range(buckets)))

    def bucket(self, key: bytes) -> int:
        """The bucket of an entry, drawn from its digest."""
        return key[0] % self.buckets

    def rows(self, keys: Sequence[bytes]) -> list[Sequence[int]]:
        """Row numbers of each bucket."""
        if self.buckets == 1:
            return [range(len(keys))]
        rows: list[list[int]] = [[] for _ in range(self.buckets)]
        for row, key in enumerate(keys):
            rows[key[0] % self.buckets].append(row)
        return list(rows)

    def entry(self, key: bytes) -> bytes:
        """The full key of an entry."""
        return self.prefixes[self.bucket(key)] + key

    def sessions(self, bucket: int) -> bytes:
        """Hash: owner -> end of its lease in server milliseconds; `m` -> marker, `v` -> layout."""
        return self._own(bucket, b"s")

    def epochs(self, bucket: int) -> bytes:
        """Hash: topic uuid and partition -> epoch."""
        return self._own(bucket, b"e")

    def watermarks(self, bucket: int) -> bytes:
        """Hash: topic uuid and partition -> highest contiguous finished offset; bucket 0 is used."""
        return self._own(bucket, b"w")

    def grants(self, bucket: int) -> bytes:
        """Hash: topic uuid and partition -> highest offset that may have started; bucket 0 is used."""
        return self._own(bucket, b"g")

    def lines(self, bucket: int) -> bytes:
        """The first bytes of a line's sorted set, before the line's digest: events in order of parking."""
        return self.prefixes[bucket] + b"p"

    def snapshot(self, field: bytes) -> bytes:
        """The snapshot of a partition's filter; `field` names the partition."""
        return self._own(0, b"f") + field

    def signals(self) -> bytes:
        """Hash: member -> its signal to producers, as JSON; not the ledger's, and gone with the members."""
        return self._own(0, b"q")

    def _own(self, bucket: int, kind: bytes) -> bytes:
        return self.prefixes[bucket] + kind + scope_name(self.scope)
