"""The engine's mail and its timers: how anything reaches the engine's thread."""

import heapq
import itertools
import time
from collections.abc import Callable
from queue import Empty, SimpleQueue
from typing import Any

__all__ = ["Mailbox", "Timers"]

_Call = tuple[Callable[..., None], tuple[Any, ...]]
_AT_ONCE = 256


class Mailbox:
    """Calls to be made on the engine's thread, in order."""

    def __init__(self) -> None:
        self._queue: SimpleQueue[_Call] = SimpleQueue()

    def put(self, call: Callable[..., None], *args: Any) -> None:
        """From any thread: have `call(*args)` made on the engine's."""
        self._queue.put((call, args))

    def serve(self, timeout: float) -> None:
        """Make the calls that are there, waiting up to `timeout` seconds for the first."""
        try:
            call, args = self._queue.get(timeout=timeout) if timeout > 0 else self._queue.get_nowait()
            for _ in range(_AT_ONCE):
                call(*args)
                call, args = self._queue.get_nowait()
            call(*args)
        except Empty:
            pass


class Timers:
    """Calls to be made later; the engine's thread only."""

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, _Call]] = []
        self._order = itertools.count()

    def after(self, seconds: float, call: Callable[..., None], *args: Any) -> None:
        """Make `call(*args)` in `seconds`."""
        heapq.heappush(self._heap, (time.monotonic() + seconds, next(self._order), (call, args)))

    def run(self, now: float) -> None:
        """Make the calls that are due at `now` (monotonic seconds)."""
        while self._heap and self._heap[0][0] <= now:
            _, _, (call, args) = heapq.heappop(self._heap)
            call(*args)

    def wait(self, now: float, most: float) -> float:
        """Seconds until the next is due, at most `most`."""
        return min(most, max(0.0, self._heap[0][0] - now)) if self._heap else most
