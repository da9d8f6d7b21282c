"""The generations of a windowed filter: what is held, and since when.

Split-block Bloom filters (`abloom`, deterministic across processes), oldest first. The newest is filled
for `window / (generations - 1)` seconds or until it is full, then another is opened and those with no id
younger than the window go. If one has to go earlier, because too many ids came, `lost` says up to when ids
are missing.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from abloom import BloomFilter

from doublegate.contract import sizing

if TYPE_CHECKING:
    from collections.abc import Container, Iterator, Sequence

    from doublegate.contract.sizing import FilterSize

NEVER = -math.inf
_NOTHING: tuple[Container[bytes], ...] = ((), (), ())


@dataclass(slots=True)
class Generation:
    """Ids seen from `started` to `last`."""

    bloom: BloomFilter
    started: float = NEVER
    last: float = NEVER
    count: int = 0


class Generations:
    """The ids seen after `latest - window`, and perhaps some older ones.

    Args:
        size: Window, generations and capacity.
        latest: The present; it never goes back.
    """

    def __init__(self, size: FilterSize, latest: float) -> None:
        self.size = size
        self.latest = latest
        self.lost = NEVER
        """Time up to which ids younger than the window may be missing, because room ran out."""
        self.all = [Generation(self._new_bloom())]
        self._most = size.generations

    def adopt(self, older: Generations) -> None:
        """Put generations of an earlier time before these; there may be more than usual until they age."""
        self.all = [*(g for g in older.all if g.count), *self.all]
        self.lost = max(self.lost, older.lost)
        self._most = max(self.size.generations, len(self.all) + 1)

    def advance(self, now: float) -> None:
        """Move the present forward; closes the newest generation when it has been open long enough."""
        self.latest = max(self.latest, now)
        newest = self.all[-1]
        # The hair keeps rounding from taking a generation for younger than the window.
        if newest.count and self.latest - newest.started >= self.size.rotation * (1 + 1e-9):
            self._rotate()

    def test_and_add(self, keys: Sequence[bytes]) -> list[bool]:
        """Add keys in their order; True for those that no generation held."""
        answers: list[bool] = []
        for chunk in self._chunks(keys):
            part = self._test_and_add(chunk)
            answers = answers + part if answers else part
        return answers

    def learn(self, keys: Sequence[bytes]) -> None:
        """Add keys without an answer."""
        for chunk in self._chunks(keys):
            newest = self.all[-1]
            newest.count += list(map(newest.bloom.add, chunk)).count(True)

    @property
    def fill(self) -> float:
        """Share of the capacity that is used, 0 to 1."""
        return sum(g.count for g in self.all) / (self.size.ids_per_generation * self.size.generations)

    @property
    def predicted_fpr(self) -> float:
        """False positive rate that follows from the ids held and the bits allocated."""
        filled = [g for g in self.all if g.count]
        return sizing.union_fpr([sizing.split_block_fpr(g.bloom.bit_count / g.count) for g in filled])

    @property
    def nbytes(self) -> int:
        """Bytes of the generations allocated so far."""
        return sum(g.bloom.byte_count for g in self.all)

    def _chunks(self, keys: Sequence[bytes]) -> Iterator[Sequence[bytes]]:
        """Parts of a batch, each of which fits into the generation that is then the newest."""
        start = 0
        while start < len(keys):
            if self.all[-1].count >= self.size.ids_per_generation:
                self._rotate()
            newest = self.all[-1]
            if not newest.count:
                newest.started = self.latest
            newest.last = self.latest
            room = self.size.ids_per_generation - newest.count
            yield keys if not start and room >= len(keys) else keys[start : start + room]
            start += room

    def _rotate(self) -> None:
        horizon = self.latest - self.size.window
        kept = [g for g in self.all if g.last > horizon]
        while len(kept) >= self._most:
            self.lost = kept.pop(0).last
        self.all = [*kept, Generation(self._new_bloom())]
        self._most = max(self.size.generations, len(self.all))

    def _new_bloom(self) -> BloomFilter:
        return BloomFilter(self.size.ids_per_generation, self.size.fpr_per_generation, serializable=True)

    def _test_and_add(self, keys: Sequence[bytes]) -> list[bool]:
        newest = self.all[-1]
        add = newest.bloom.add
        closed: list[Container[bytes]] = [g.bloom for g in self.all[:-1]]
        # One pass over three generations at a time: half the cost of a pass for each. An id that only an
        # older one holds answers None. It takes room in the newest as well: if that hit is a false one, the
        # id is new now and must outlive the older generation.
        a, b, c = (*closed[-3:], *_NOTHING)[:3]
        raw = [add(k) and ((k not in a and k not in b and k not in c) or None) for k in keys]
        fresh = raw.count(True)
        newest.count += fresh
        answers: list[bool] = raw  # type: ignore[assignment]
        if fresh < len(raw):
            newest.count += raw.count(None)
            answers = [answer is True for answer in raw]
        for i in range(0, len(closed) - 3, 3):
            a, b, c = (*closed[i : min(i + 3, len(closed) - 3)], *_NOTHING)[:3]
            answers = [
                new and k not in a and k not in b and k not in c for new, k in zip(answers, keys, strict=True)
            ]
        return answers
