"""The work queue in an event loop."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from typing import TYPE_CHECKING

import pytest

from doublegate_operator.shell.queue import WorkQueue
from doublegate_operator.shell.schedule import Schedule

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable


async def _until(true: Callable[[], bool]) -> None:
    while not true():  # noqa: ASYNC110 - what is waited for is not ours to signal
        await asyncio.sleep(0)


async def _while_running(queue: WorkQueue[str], do: Awaitable[None]) -> None:
    worker = asyncio.create_task(queue.run())
    try:
        async with asyncio.timeout(10):
            await do
    finally:
        worker.cancel()
        await asyncio.gather(worker, return_exceptions=True)


def _run(
    look: Callable[[str], Awaitable[float | None]], do: Callable[[WorkQueue[str]], Awaitable[None]]
) -> None:
    async def main() -> None:
        queue = WorkQueue(look, Schedule(spacing=0))
        await _while_running(queue, do(queue))

    asyncio.run(main())


def test_eight_keys_at_once_and_each_by_itself() -> None:
    running: Counter[str] = Counter()
    most, seen, gate = 0, Counter[str](), asyncio.Event()

    async def look(key: str) -> None:
        nonlocal most
        running[key] += 1
        seen[key] += 1
        assert running[key] == 1
        most = max(most, running.total())
        await gate.wait()
        running[key] -= 1

    async def do(queue: WorkQueue[str]) -> None:
        for number in range(20):
            queue.add(f"k{number}")
        await _until(lambda: running.total() == 8)
        queue.add("k0")  # while it is looked at
        for _ in range(50):
            await asyncio.sleep(0)
        gate.set()
        await _until(lambda: seen.total() == 21)

    _run(look, do)
    assert most == 8
    assert seen["k0"] == 2


def test_one_that_fails_is_tried_again_told_once_and_stops_nobody(caplog: pytest.LogCaptureFixture) -> None:
    tries: Counter[str] = Counter()

    async def look(key: str) -> float | None:
        tries[key] += 1
        if key == "bad" and tries[key] < 3:
            raise RuntimeError("the same again")
        return None

    async def do(queue: WorkQueue[str]) -> None:
        queue.add("bad")
        while tries["bad"] < 2:
            await asyncio.sleep(0)
            queue.add("bad")  # a change, so that no backoff is waited for
        queue.add("good")
        await _until(lambda: tries["good"] == 1)
        while tries["bad"] < 3:
            queue.add("bad")
            await asyncio.sleep(0)
        await asyncio.sleep(0.01)

    with caplog.at_level(logging.INFO, "doublegate_operator"):
        _run(look, do)
    told = [record.getMessage() for record in caplog.records]
    assert sum("looking at bad failed" in text for text in told) == 1
    assert told[-1] == "in order again: bad"


def test_a_delay_is_waited_for_and_an_earlier_addition_wakes() -> None:
    seen: list[str] = []

    async def look(key: str) -> None:
        seen.append(key)

    async def do(queue: WorkQueue[str]) -> None:
        queue.add("later", delay=3600)
        await asyncio.sleep(0.02)
        assert seen == []
        queue.add("now")
        await _until(lambda: seen == ["now"])
        queue.add("later")
        await _until(lambda: len(seen) == 2)

    _run(look, do)
    assert seen == ["now", "later"]
