"""The work queue: one look at a key at a time, a few keys at once, failures again with backoff."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Awaitable, Callable, Hashable
from typing import Generic, TypeVar

from doublegate_operator.shell.logs import Once
from doublegate_operator.shell.schedule import Schedule

__all__ = ["WorkQueue"]

log = logging.getLogger(__name__)

K = TypeVar("K", bound=Hashable)


class WorkQueue(Generic[K]):
    """Carries out a `Schedule`; everything in one event loop.

    Args:
        look: does the work of a key and says in how many seconds it wants the next look; None for none. What
            it raises is logged once and tried again.
        schedule: the rules; a test's own.
        clock: monotonic seconds; a test's own.
        concurrency: keys at once. The work waits for Kafka and for the API server, and is not computing.
    """

    def __init__(
        self,
        look: Callable[[K], Awaitable[float | None]],
        schedule: Schedule[K] | None = None,
        clock: Callable[[], float] = time.monotonic,
        concurrency: int = 8,
    ) -> None:
        self._look = look
        self._schedule: Schedule[K] = schedule or Schedule()
        self._clock = clock
        self._concurrency = concurrency
        self._changed = asyncio.Event()
        self._once = Once(log)

    @property
    def depth(self) -> int:
        """Keys in line."""
        return self._schedule.depth

    def add(self, key: K, delay: float = 0.0) -> None:
        """Look at it after that many seconds at the latest."""
        self._schedule.add(key, self._clock() + delay)
        self._changed.set()

    async def run(self) -> None:
        """Work until cancelled; looks that are under way are cancelled with it."""
        async with asyncio.TaskGroup() as group:
            while True:
                self._changed.clear()
                while self._schedule.taken < self._concurrency:
                    key = self._schedule.take(self._clock())
                    if key is None:
                        break
                    group.create_task(self._one(key))
                await self._wait()

    async def _wait(self) -> None:
        due = self._schedule.next_due() if self._schedule.taken < self._concurrency else None
        delay = None if due is None else max(0.0, due - self._clock())
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._changed.wait(), delay)

    async def _one(self, key: K) -> None:
        try:
            again = await self._look(key)
        except Exception as error:  # noqa: BLE001 - one resource's trouble is not another's
            delay = self._schedule.failed(key, self._clock())
            self._once.failure(key, "looking at %s failed; tried again in %.0f s", key, delay, error=error)
        else:
            self._schedule.done(key, self._clock(), again)
            self._once.over(key)
        finally:
            self._changed.set()
