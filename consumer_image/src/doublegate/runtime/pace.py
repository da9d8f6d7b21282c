"""How much at once: concurrency, unit size and claims ahead, each from what was measured last.

Pure: the engine tells what happened, these say how much to do next.
"""

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
_SHARE_AFTER_TROUBLE = 0.7


class Concurrency:
    """How many units may be with workers, by additive increase and multiplicative decrease.

    Grows by one while every place is used and the handler's latency stays below twice its best; shrinks by
    a tenth when it does not, by 30% when the far side fails. The best latency is forgotten by 1% a
    step, so a far side that became slower for good is accepted as the new normal.
    """

    def __init__(self, spec: ConcurrencySpec, *, batch: bool) -> None:
        self._batch = batch
        self._min = spec.min
        self._max = spec.max
        self._limit = float(spec.min)
        self._best: float | None = None
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
            trouble: an outcome was unknown, or the far side was away.
        """
        if not events:
            return
        each = seconds / events
        self.latency = each if self.latency is None else 0.8 * self.latency + 0.2 * each
        self._best = self.latency if self._best is None else min(self._best * 1.01, self.latency)
        if trouble:
            self._limit *= _SHARE_AFTER_TROUBLE
        elif self.latency > self._best * _SLOWDOWN:
            self._limit *= 0.9
        elif in_flight >= self.limit and (seconds if self._batch else each) > _CPU_BOUND_SECONDS:
            self._limit += 1 / max(1.0, self._limit)
        self._limit = min(float(self._max), max(float(self._min), self._limit))


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
