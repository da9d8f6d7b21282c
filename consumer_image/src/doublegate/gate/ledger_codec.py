"""Bytes of the ledger: rows packed for the scripts, entries and answers read back.

The layout of an entry is written down in `lua/prelude.lua`; packing is by column, with numpy, because it
is paid for every event.
"""

import struct
from collections.abc import Sequence
from typing import Final

import numpy as np

from doublegate.contract.states import EntryState
from doublegate.gate.ledger_types import Assignment, Claims, Entry, Failures, History, Position, Releases

__all__ = [
    "CLAIM_BYTES",
    "FAILURE_BYTES",
    "RELEASE_BYTES",
    "decode_entry",
    "field_of",
    "pack_claims",
    "pack_done",
    "pack_failures",
    "pack_flags",
    "pack_releases",
    "read_codes",
    "read_history",
]

CLAIM_BYTES: Final = 48
FAILURE_BYTES: Final = 22
RELEASE_BYTES: Final = 21
HEAD_BYTES: Final = 32
TOPIC_BYTES: Final = 8
MAX_ATTEMPT: Final = 255
_HELD_UNKNOWN: Final = 5
_ONE_CRASH: Final = 1
_NOBODY: Final = bytes(8)
_CLAIMED: Final = struct.Struct(">cBBB8sQ8sIQ8s")
_FAILED: Final = struct.Struct(">cBBB8s8sIQ")


def field_of(topic: bytes, partition: int) -> bytes:
    """The name of a partition in the hashes of epochs, watermarks and grants."""
    return topic + struct.pack(">I", partition)


def _identity(assignment: Assignment) -> bytes:
    topic, partition, epoch = assignment.topic, assignment.partition, assignment.epoch
    return struct.pack(">Q8sI", epoch, topic[:TOPIC_BYTES], partition)


def _columns(rows: Sequence[bytes], width: int) -> np.ndarray[tuple[int, int], np.dtype[np.uint8]]:
    return np.frombuffer(b"".join(rows), dtype=np.uint8).reshape(len(rows), width)


def pack_claims(
    owner: bytes, assignments: Sequence[Assignment], claims: Claims, held: Sequence[bool] | None = None
) -> bytes:
    """The CLAIMED values of a batch, 48 bytes a row, as they will stand when nothing was there.

    Args:
        owner: who claims.
        assignments: what the rows point at.
        claims: the rows.
        held: rows put back after a loss whose effect may have happened in an earlier attempt.
    """
    rows = len(claims.keys)
    heads = _columns([b"C\0\0\0" + owner + _identity(assignment) for assignment in assignments], HEAD_BYTES)
    values = np.empty((rows, CLAIM_BYTES), dtype=np.uint8)
    values[:, :HEAD_BYTES] = heads[0] if len(assignments) == 1 else heads[np.asarray(claims.partitions)]
    offsets = np.asarray(claims.offsets, dtype=">u8")
    values[:, HEAD_BYTES : HEAD_BYTES + 8] = offsets.view(np.uint8).reshape(rows, 8)
    values[:, HEAD_BYTES + 8 :] = _columns(claims.digests, 8)
    if held is not None:
        values[np.asarray(held, dtype=bool), 1] = _HELD_UNKNOWN
    if claims.unknown is not None and any(claims.unknown):
        rows_of_grants = np.asarray(claims.unknown, dtype=bool)
        values[rows_of_grants, 1] = _HELD_UNKNOWN
        values[rows_of_grants, 2:4] = _ONE_CRASH
    return values.tobytes()


def pack_done(digests: Sequence[bytes]) -> bytes:
    """The DONE values of a batch, 9 bytes a row."""
    return b"D" + b"D".join(digests) if digests else b""


def pack_flags(flags: Sequence[bool] | None) -> bytes:
    """One printable byte a row; empty when no row is flagged."""
    if flags is None or not any(flags):
        return b""
    return bytes(49 if flag else 48 for flag in flags)


def pack_failures(assignments: Sequence[Assignment], failures: Failures) -> bytes:
    """Rows to fail, 22 bytes each."""
    identities = [_identity(assignment) for assignment in assignments]
    unknown = failures.unknown or [False] * len(failures.keys)
    return b"".join(
        identities[partition] + bytes((min(attempt, MAX_ATTEMPT), int(flag)))
        for partition, attempt, flag in zip(failures.partitions, failures.attempts, unknown, strict=True)
    )


def pack_releases(assignments: Sequence[Assignment], releases: Releases) -> bytes:
    """Rows to release, 21 bytes each."""
    identities = [_identity(assignment) for assignment in assignments]
    unknown = releases.unknown or [False] * len(releases.keys)
    return b"".join(
        identities[partition] + bytes((int(flag),))
        for partition, flag in zip(releases.partitions, unknown, strict=True)
    )


def read_codes(codes: Sequence[int], rows: Sequence[int]) -> list[tuple[int, int, int]]:
    """The rows that a script answered: (row of the whole batch, outcome, the code itself)."""
    return [(rows[code >> 21], code >> 17 & 15, code) for code in codes]


def read_history(code: int) -> History:
    """What else the code of a claimed row says."""
    return History(attempt=code >> 9 & 255, crashes=code >> 1 & 255, unknown=bool(code & 1))


def decode_entry(value: bytes, ttl: float | None) -> Entry:
    """An entry as it stands, with its remaining seconds."""
    if value[:1] in (b"D", b"E"):
        return Entry(EntryState.DONE, value[1:9], ttl=ttl)
    if value[:1] == b"F":
        _, flags, attempt, crashes, digest, topic, partition, offset = _FAILED.unpack(value)
        return Entry(
            EntryState.FAILED,
            digest,
            position=Position(topic, partition, offset),
            attempt=attempt,
            crashes=crashes,
            unknown=bool(flags & 1),
            ttl=ttl,
        )
    head = _CLAIMED.unpack(value[:CLAIM_BYTES])
    _, flags, attempt, crashes, owner, epoch, topic, partition, offset, digest = head
    return Entry(
        EntryState.CLAIMED,
        digest,
        owner=None if owner == _NOBODY else owner,
        epoch=epoch,
        position=Position(topic, partition, offset),
        attempt=attempt,
        crashes=crashes,
        unknown=bool(flags & 1),
        ttl=ttl,
    )
