"""Gate 1: the windowed Bloom filter of one partition.

It answers "new", with proof within its coverage, or "perhaps seen", which only the ledger may decide. If
more ids come than it is sized for, its coverage shrinks and it says so (cold, saturated) instead of hitting
more often than it predicts.

Coverage is half-open: at `now` the window holds the ids seen after `now - window`. Time is monotonic
seconds, from the injected clock or the caller, and never runs backwards here. Not thread-safe, by design:
the thread that owns the partition owns its filter.
"""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING, Self

from doublegate.gate import filter_snapshot
from doublegate.gate.filter_generations import NEVER, Generations
from doublegate.gate.filter_snapshot import SnapshotError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from doublegate.contract.sizing import FilterSize

__all__ = ["PartitionFilter", "SnapshotError"]

CLOCK_SKEW = 5.0
"""Seconds by which the wall clocks of two machines may differ."""


class PartitionFilter:
    """The ids of one partition that were seen within the window.

    Args:
        identity: What the keys mean: scope, topic uuid and partition. A snapshot of another is refused.
        size: Window, generations and capacity.
        clock: Monotonic seconds.
        since: Time of the first record it will be given, if that is in the past (a re-read); now by default.
    """

    def __init__(
        self,
        identity: str,
        size: FilterSize,
        *,
        clock: Callable[[], float] = time.monotonic,
        since: float | None = None,
    ) -> None:
        self.identity = identity
        self.size = size
        self.highest_offset = -1
        self.misses = 0
        """Ids that were new, by proof."""
        self.true_hits = 0
        self.false_hits = 0
        self._clock = clock
        self._since = clock() if since is None else since  # ids seen from here on were added ...
        self._since_of_snapshot = math.inf
        self._ids = Generations(size, self._since)  # ... and are held if younger than its `lost`

    def add_all(
        self, keys: Sequence[bytes], *, now: float | None = None, last_offset: int | None = None
    ) -> list[bool]:
        """Test and add a batch in its order; of equal keys only the first can be new.

        Args:
            keys: Digests of (scope, id).
            now: When they were seen; the clock by default.
            last_offset: The highest offset of the batch.

        Returns:
            For each key whether it is certainly not among the ids held.
        """
        self._advance(now, last_offset)
        answers = self._ids.test_and_add(keys)
        self.misses += answers.count(True)
        return answers

    def learn(
        self, keys: Sequence[bytes], *, now: float | None = None, last_offset: int | None = None
    ) -> None:
        """Add ids that need no answer: a re-read of records before the position, in log order.

        Args:
            keys: Digests of (scope, id).
            now: When they were first seen. Never earlier than the truth, or they go too early; but a
                whole window given the present time crowds into the next one and saturates it.
            last_offset: The highest offset of the batch.
        """
        self._advance(now, last_offset)
        self._ids.learn(keys)

    def covers(self, seconds: float, now: float | None = None) -> bool:
        """Whether it holds every id of the partition first seen within the last `seconds`.

        A batch can cost coverage: ask after `add_all` before taking its answers for proof.
        """
        covered = self._now(now) - max(self._since, self._ids.lost)
        return min(covered, self.size.window) >= seconds

    @property
    def warm(self) -> bool:
        """Whether it holds every id of the partition first seen within the window."""
        return self.covers(self.size.window)

    @property
    def saturated(self) -> bool:
        """Whether ids younger than the window had to go because more came than it is sized for."""
        return self._now(None) - self._ids.lost < self.size.window

    def mark_warm(self) -> None:
        """No id is missing from before its start: the partition was new, or a window was re-read.

        What room ran out for stays missing.
        """
        self._since = NEVER

    def mark_cold(self, now: float | None = None) -> None:
        """Records were skipped or the position went back: coverage starts anew."""
        self._since = self._now(now)
        self._since_of_snapshot = math.inf

    def caught_up(self) -> None:
        """After `restore`: every record between the snapshot's offset and the position was added."""
        self._since = min(self._since, self._since_of_snapshot)

    def adopt(self, past: PartitionFilter) -> None:
        """Take over what `past` holds: the ids up to where this filter began, without a gap."""
        self._ids.adopt(past._ids)
        self._since = past._since

    @property
    def fill(self) -> float:
        """Share of its capacity that is used, 0 to 1."""
        return self._ids.fill

    @property
    def predicted_fpr(self) -> float:
        """False positive rate that follows from the ids held and the bits allocated."""
        return self._ids.predicted_fpr

    @property
    def observed_fpr(self) -> float:
        """Share of really new ids for which it hit; 0 before there were any."""
        return self.false_hits / max(1, self.false_hits + self.misses)

    def record_false_hit(self, n: int = 1) -> None:
        """The ledger had not seen `n` ids for which the filter hit."""
        self.false_hits += n

    def record_true_hit(self, n: int = 1) -> None:
        """The ledger knew `n` ids for which the filter hit."""
        self.true_hits += n

    @property
    def nbytes(self) -> int:
        """Bytes of the generations allocated so far; at most `size.bytes_per_partition`."""
        return self._ids.nbytes

    def snapshot(self, *, now: float | None = None, wall: float | None = None) -> bytes:
        """Everything that another process needs to go on; `wall` is Unix time, now by default."""
        state = filter_snapshot.Snapshot(self.identity, self.highest_offset, self._since, self._ids)
        return filter_snapshot.encode(state, now=self._now(now), wall=time.time() if wall is None else wall)

    @classmethod
    def restore(
        cls,
        data: bytes,
        identity: str,
        size: FilterSize,
        *,
        clock: Callable[[], float] = time.monotonic,
        wall: float | None = None,
        clock_skew: float = CLOCK_SKEW,
    ) -> Self:
        """Go on from a snapshot; cold until `caught_up` says that no record is missing since.

        Args:
            data: What `snapshot` returned, perhaps on another machine.
            identity: Must be the snapshot's.
            size: Must have the snapshot's window, generations and capacity.
            clock: Monotonic seconds.
            wall: Unix time, now by default.
            clock_skew: Ids are taken for younger by so many seconds, so that none goes too early.

        Raises:
            SnapshotError: It is damaged, of another version, or of another filter.
        """
        present = clock()
        passed_until = (time.time() if wall is None else wall) - clock_skew
        saved = filter_snapshot.decode(data, identity, size, now=present, wall=passed_until)
        restored = cls(identity, size, clock=clock, since=present)
        restored._since_of_snapshot = saved.since
        restored.highest_offset = saved.highest_offset
        restored._ids = saved.ids
        return restored

    def _now(self, now: float | None) -> float:
        return max(self._clock() if now is None else now, self._ids.latest)

    def _advance(self, now: float | None, last_offset: int | None) -> None:
        self._ids.advance(self._clock() if now is None else now)
        if last_offset is not None and last_offset > self.highest_offset:
            self.highest_offset = last_offset
