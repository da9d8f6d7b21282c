"""A filter's snapshot: one header, the generations' bits, a checksum.

    "DGPF" | version (1) | header length (4, big endian) | header (JSON) | generations | xxh3_64 of all before

Monotonic time means nothing to another process, so the header holds ages and the wall time they refer to.
"""

from __future__ import annotations

import json
import math
import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import xxhash
from abloom import BloomFilter

from doublegate.contract.errors import DoublegateError
from doublegate.gate.filter_generations import NEVER, Generation, Generations

if TYPE_CHECKING:
    from doublegate.contract.sizing import FilterSize

MAGIC = b"DGPF"
VERSION = 1
_PREFIX = struct.Struct(">4sBI")
_CHECKSUM_BYTES = 8


class SnapshotError(DoublegateError):
    """A snapshot that cannot be used; the filter starts cold and re-reads the log."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What a snapshot says, in the monotonic time of this process."""

    identity: str
    highest_offset: int
    since: float
    ids: Generations


def encode(snapshot: Snapshot, *, now: float, wall: float) -> bytes:
    """The bytes of a snapshot; `now` (monotonic) and `wall` (Unix time) are the same moment."""

    def age(moment: float) -> float | None:
        return now - moment if math.isfinite(moment) else None

    parts = [generation.bloom.to_bytes() for generation in snapshot.ids.all]
    header = {
        "identity": snapshot.identity,
        "shape": _shape(snapshot.ids.size),
        "wall": wall,
        "highest_offset": snapshot.highest_offset,
        "since": age(snapshot.since),
        "latest": age(snapshot.ids.latest),
        "lost": age(snapshot.ids.lost),
        "generations": [
            {"started": age(g.started), "last": age(g.last), "count": g.count, "bytes": len(part)}
            for g, part in zip(snapshot.ids.all, parts, strict=True)
        ],
    }
    text = json.dumps(header).encode()
    parts[:0] = _PREFIX.pack(MAGIC, VERSION, len(text)), text
    checksum = xxhash.xxh3_64()
    for part in parts:
        checksum.update(part)
    return b"".join((*parts, checksum.digest()))  # the only copy of perhaps 30 MB


def decode(data: bytes, identity: str, size: FilterSize, *, now: float, wall: float) -> Snapshot:
    """Read a snapshot into the present process.

    Args:
        data: What `encode` returned.
        identity: Must be the snapshot's.
        size: Must have the snapshot's shape.
        now: Monotonic seconds of the present.
        wall: Unix time of the present, or earlier to allow for other clocks: an id taken for younger than
            it is stays too long, one taken for older would go too early.

    Raises:
        SnapshotError: It is damaged, of another version, or of another filter.
    """
    try:
        header, body = _open(data)
        if header["identity"] != identity:
            raise SnapshotError(f"the snapshot is of {header['identity']!r}, wanted is {identity!r}")
        if header["shape"] != _shape(size):
            raise SnapshotError(f"the snapshot's filter has {header['shape']}, wanted is {_shape(size)}")
        then = now - max(0.0, wall - header["wall"])

        def moment(age: float | None) -> float:
            return NEVER if age is None else then - age

        ids = Generations(size, moment(header["latest"]))
        ids.lost = moment(header["lost"])
        ids.all.clear()
        for entry in header["generations"]:
            part, body = body[: entry["bytes"]], body[entry["bytes"] :]
            bloom = BloomFilter.from_bytes(bytes(part))
            ids.all.append(Generation(bloom, moment(entry["started"]), moment(entry["last"]), entry["count"]))
        return Snapshot(identity, header["highest_offset"], moment(header["since"]), ids)
    except (KeyError, TypeError, ValueError) as error:
        raise SnapshotError(f"the snapshot is whole but not understood: {error!r}") from error


def _open(data: bytes) -> tuple[dict[str, Any], memoryview]:
    if len(data) < _PREFIX.size + _CHECKSUM_BYTES:
        raise SnapshotError(f"the snapshot is cut short: {len(data)} bytes")
    magic, version, length = _PREFIX.unpack_from(data)
    if magic != MAGIC:
        raise SnapshotError(f"not a filter's snapshot: it starts with {magic!r}")
    if version != VERSION:
        raise SnapshotError(f"the snapshot has format version {version}, this build reads {VERSION}")
    body = memoryview(data)[:-_CHECKSUM_BYTES]
    if xxhash.xxh3_64_digest(body) != data[-_CHECKSUM_BYTES:]:
        raise SnapshotError("the snapshot is damaged: its checksum does not fit")
    header: dict[str, Any] = json.loads(bytes(body[_PREFIX.size : _PREFIX.size + length]))
    return header, body[_PREFIX.size + length :]


def _shape(size: FilterSize) -> dict[str, float]:
    return {
        "window": size.window,
        "generations": size.generations,
        "ids_per_generation": size.ids_per_generation,
        "fpr_per_generation": size.fpr_per_generation,
    }
