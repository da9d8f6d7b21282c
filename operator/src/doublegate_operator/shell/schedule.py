"""Which key is looked at when: the queue's rules, without a clock and without I/O."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

__all__ = ["Schedule"]

_FIRST = 1.0
_LONGEST = 60.0
_SPACING = 1.0
_DOUBLINGS = 10  # past the longest by far

K = TypeVar("K", bound=Hashable)


class Schedule(Generic[K]):
    """Each key at most once in line and never in two hands; every `now` is monotonic seconds.

    Args:
        draw: a number from 0 to 1, for the jitter.
        spacing: seconds from the end of one look to the start of the next at the same key, however often it
            is added: a rollout's events would make a look of each.
    """

    def __init__(self, draw: Callable[[], float] = random.random, spacing: float = _SPACING) -> None:
        self._draw = draw
        self._spacing = spacing
        self._due: dict[K, float] = {}
        self._taken: set[K] = set()
        self._rested: dict[K, float] = {}
        self._failures: dict[K, int] = {}

    @property
    def depth(self) -> int:
        """Keys that are in line, due or not."""
        return len(self._due)

    @property
    def taken(self) -> int:
        """Keys that are being looked at."""
        return len(self._taken)

    def add(self, key: K, at: float) -> None:
        """Look at it at that time at the latest; the earliest of several counts."""
        self._due[key] = min(at, self._due.get(key, at))

    def take(self, now: float) -> K | None:
        """The key that waits longest, which is then in the caller's hands; None when none is due."""
        free = [(self._when(key), key) for key in self._due if key not in self._taken]
        due, key = min(free, key=lambda pair: pair[0], default=(now + 1, None))
        if key is None or due > now:
            return None
        del self._due[key]
        self._taken.add(key)
        return key

    def next_due(self) -> float | None:
        """When the next key is due that nobody holds."""
        return min((self._when(key) for key in self._due if key not in self._taken), default=None)

    def done(self, key: K, now: float, again: float | None) -> None:
        """It is looked at.

        Args:
            key: what `take` gave.
            now: the time.
            again: seconds until the next look; None for none.
        """
        self._taken.discard(key)
        self._failures.pop(key, None)
        if again is None:
            self._rested.pop(key, None)
            return
        self._rested[key] = now + min(self._spacing, again)
        self.add(key, now + again)

    def failed(self, key: K, now: float) -> float:
        """It is not looked at: once more after a while that doubles, with jitter.

        Returns:
            The while, in seconds.
        """
        self._taken.discard(key)
        count = self._failures.get(key, 0)
        self._failures[key] = min(count + 1, _DOUBLINGS)
        delay = min(_LONGEST, math.ldexp(_FIRST, count) * (0.8 + 0.4 * self._draw()))
        self._rested[key] = now + self._spacing
        self.add(key, now + delay)
        return delay

    def _when(self, key: K) -> float:
        return max(self._due[key], self._rested.get(key, self._due[key]))
