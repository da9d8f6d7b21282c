"""How much at once: concurrency, unit size and claims ahead, each from what was measured last.

Pure: the engine tells what happened, these say how much to do next.
"""

import math

from doublegate.contract.work_spec import ConcurrencySpec

__all__ = ["ClaimAhead", "Concurrency"]

_UNIT_SECONDS = 0.02
"""A unit should keep a worker busy this long: hand-over is then below 1% of its time."""
_BATCH_SECONDS = 0.1
"""A batch handler should take this long: one transaction's cost is then small beside its events'."""
_FIRST_BATCH = 100
_MAX_UNIT = 1024
_CPU_BOUND_SECONDS = 0.001
"""A handler quicker than this does no I/O worth overlapping: more threads only fight for the interpreter."""
_SLOWDOWN = 2.0
_LESS_FOR_SLOW = 0.2
_LESS_FOR_TROUBLE = 0.3
"""Of a place, for each unit that ends: a round trip of all that the limit lets through takes that share of
it, and a few failures among many cost next to nothing."""
_FORGOTTEN = 0.05
"""Of the best latency, a round trip: slower than the cuts, so that ten times the latency takes the limit down
to a few places before it is the new normal."""


class Concurrency:
    """How many units may be with workers, by additive increase and multiplicative decrease.

    Grows by one a round trip while every place is used and the handler's latency stays below twice its
    best; shrinks by a fifth when it does not, by 30% when the far side fails. The best latency is forgotten
    by 5%, so a far side that became slower for good is accepted as the new normal, and a best that only some
    quick calls had does not count for long.
    """

    def __init__(self, spec: ConcurrencySpec, *, batch: bool) -> None:
        self._batch = batch
        self._min = spec.min
        self._max = spec.max
        self._limit = float(spec.min)
        self._best = math.inf
        self.latency: float | None = None
        """Smoothed seconds of one event in the handler."""

    @property
    def limit(self) -> int:
        """Units at once."""
        return int(self._limit)

    @property
    def unit_size(self) -> int:
        """Events that a worker gets at once, from how long one takes; what it has is unknown if it dies."""
        first, seconds = (_FIRST_BATCH, _BATCH_SECONDS) if self._batch else (1, _UNIT_SECONDS)
        if self.latency is None:
            return first
        return max(1, min(_MAX_UNIT, int(seconds / max(self.latency, 1e-9))))

    def ended(self, seconds: float, events: int, in_flight: int, *, trouble: bool) -> None:
        """A unit ended.

        Args:
            seconds: in the handler, for the whole unit.
            events: in the unit.
            in_flight: units that were with workers, this one included.
            trouble: the far side failed, for now. Such latency says nothing of a call that works.
        """
        if not events:
            return
        if trouble:
            self._less(_LESS_FOR_TROUBLE)
            return
        each = seconds / events
        self.latency = each if self.latency is None else 0.8 * self.latency + 0.2 * each
        self._best = min(self._best * (1 + _FORGOTTEN / self._limit), self.latency)
        if self.latency > self._best * _SLOWDOWN:
            self._less(_LESS_FOR_SLOW)
        elif in_flight >= self.limit and (seconds if self._batch else each) > _CPU_BOUND_SECONDS:
            self._limit = min(float(self._max), self._limit + 1 / self._limit)

    def _less(self, places: float) -> None:
        self._limit = max(float(self._min), self._limit - places)


class ClaimAhead:
    """How many claims may be held before a worker is free: few, so that few are unknown after a crash.

    Doubles when the workers ran dry while the ledger answered, decays when half would have done.
    """

    _MAX = 4096

    def __init__(self) -> None:
        self.limit = 16

    def answered(self, held: int, floor: int, *, more: bool) -> None:
        """The ledger answered.

        Args:
            held: claims that no worker had when the answer came.
            floor: places that workers have.
            more: unclaimed records were left behind.
        """
        if held == 0 and more:
            self.limit = min(self._MAX, self.limit * 2)
        elif held > self.limit // 2:
            self.limit = int(self.limit * 0.95)
        self.limit = max(self.limit, floor)
