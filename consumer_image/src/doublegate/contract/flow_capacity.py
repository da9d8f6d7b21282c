"""How much a consumer process works off, for its signal to producers: estimated, and measured under load."""

from typing import Final

from doublegate.contract.flow_signal import suggested_rate

__all__ = ["CapacityMeter"]

_NEWEST: Final = 0.3
"""Weight of the last interval: a far side that becomes slow is noticed within three."""
_LEAST: Final = 0.1
"""Events per second; a rate of nothing could never be found wrong."""


class CapacityMeter:
    """Concurrency over latency says what the handler could do; under a backlog, what is done says it better.

    Few keys, a slow ledger or a quick handler keep the rate below that estimate. So it holds only until there
    is a backlog that would slow producers down: then the process is never idle, and its rate is its capacity.

    Args:
        target: seconds that working off the lag may take.
    """

    def __init__(self, target: float) -> None:
        self._target = target
        self._capacity: float | None = None
        self._finished = 0
        self._at = 0.0

    def read(self, estimate: float, lag: int, finished: int, now: float, *, held_up: bool) -> float:
        """The capacity.

        Args:
            estimate: concurrency over latency.
            lag: records behind.
            finished: events decided so far.
            now: monotonic seconds, later than at the last call.
            held_up: something else than the work kept it from working, such as a ledger that is away.
        """
        rate = (finished - self._finished) / (now - self._at)
        self._finished, self._at = finished, now
        before = self._capacity
        if before is None or suggested_rate(before, lag, self._target) is None:
            self._capacity = max(_LEAST, estimate)
        elif not held_up:
            self._capacity = max(_LEAST, before + _NEWEST * (rate - before))
        return self._capacity or _LEAST
