"""The breaker: an outage must not become a flood of dead letters.

Counts the ends of attempts in a window; when too many failed it opens, and only single probes go through,
so that real poison still drains, at a capped rate. Failures alone open it sooner: an event has used up its
attempts in seconds, long before an outage is half of a window. Pure: time comes in.
"""

from collections import deque

from doublegate.contract.kafka_spec import BreakerSpec

__all__ = ["Breaker"]

_PROBE_SECONDS = 1.0
_MIN_SAMPLES = 20
"""Below this many ends a share says nothing."""
_UNITS_IN_A_ROW = 20
"""So many units one after the other without any effect are an outage, whatever came before in the window."""
_PROBES_TO_CLOSE = 3


class Breaker:
    """Closed, or open with one probe a second."""

    def __init__(self, spec: BreakerSpec) -> None:
        self._ratio = spec.failure_ratio
        self._window = spec.window
        self._ends: deque[tuple[float, int, int]] = deque()
        self._total = self._failed = 0
        self._next_probe = 0.0
        self._good_probes = 0
        self._in_a_row = 0
        self.open = False

    def record(self, now: float, ended: int, failed: int) -> None:
        """A unit of `ended` attempts came at `now` (monotonic seconds), `failed` of them without effect."""
        if self.open:
            self._good_probes = 0 if failed else self._good_probes + 1
            if self._good_probes >= _PROBES_TO_CLOSE:
                self.open = False
                self._ends.clear()
                self._total = self._failed = self._in_a_row = 0
            return
        self._in_a_row = self._in_a_row + 1 if failed == ended else 0
        self._ends.append((now, ended, failed))
        self._total += ended
        self._failed += failed
        while self._ends and self._ends[0][0] < now - self._window:
            _, old, old_failed = self._ends.popleft()
            self._total -= old
            self._failed -= old_failed
        outage = self._in_a_row >= _UNITS_IN_A_ROW and self._ratio < 1
        if outage or (self._total >= _MIN_SAMPLES and self._failed > self._ratio * self._total):
            self.open = True
            self._good_probes = 0
            self._next_probe = now + _PROBE_SECONDS

    def may_probe(self, now: float) -> bool:
        """Whether an open breaker lets one event through now."""
        if now < self._next_probe:
            return False
        self._next_probe = now + _PROBE_SECONDS
        return True

    @property
    def next_probe(self) -> float:
        """When the next probe may go, monotonic seconds."""
        return self._next_probe
