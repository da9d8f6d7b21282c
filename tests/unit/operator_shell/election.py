"""What an election must do, whatever keeps the Lease: run on a fake and on the real API server."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from doublegate_operator.shell.lease import Election, LeadershipLost

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from doublegate_operator.shell.lease import Leases

__all__ = ["Time", "the_election"]


class Time:
    """A clock that only sleepers move on: the one that wakes first decides what time it is."""

    def __init__(self, pause: float = 0.0) -> None:
        self.now = 0.0
        self._pause = pause
        """Real seconds that what keeps the Lease may take to answer."""
        self._sleepers: list[tuple[float, asyncio.Future[None]]] = []

    def clock(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._sleepers.append((self.now + seconds, future))
        await future

    async def pass_until(self, at: float) -> None:
        """Wake those whose time comes, in order, and let each finish what it does then."""
        while True:
            for _ in range(20):
                await asyncio.sleep(self._pause)
            self._sleepers = [pair for pair in self._sleepers if not pair[1].done()]
            due = min(self._sleepers, key=lambda pair: pair[0], default=None)
            if due is None or due[0] > at:
                break
            self.now = due[0]
            due[1].set_result(None)
        self.now = at


async def the_election(make: Callable[[str], Leases], pause: float = 0.0) -> None:
    """One leads; who is killed is replaced in time; who stops hands over; who is robbed stops."""
    time = Time(pause)

    def candidate(name: str) -> Election:
        return Election(make(name), name, clock=time.clock, sleep=time.sleep)

    first, second = candidate("first"), candidate("second")
    await first.acquire()
    holding = asyncio.create_task(first.hold())
    waiting = asyncio.create_task(second.acquire())

    # While it renews, nobody else leads.
    await time.pass_until(120)
    assert not waiting.done()
    assert not holding.done()

    # Killed: just after a renewal, the worst moment.
    holding.cancel()
    await time.pass_until(120 + 14)
    assert not waiting.done()
    await time.pass_until(120 + 17.1)
    assert waiting.done()
    assert waiting.exception() is None

    # The killed one was only asleep: its next renewal tells it.
    late = asyncio.create_task(first.hold())
    await time.pass_until(150)
    with pytest.raises(LeadershipLost, match="another operator"):
        late.result()

    # It stops by itself: the standby needs one look.
    third = candidate("third")
    standby = asyncio.create_task(third.acquire())
    await time.pass_until(152)
    assert not standby.done()
    await second.release()
    await time.pass_until(154.1)
    assert standby.done()
    lease = await make("reader").get()
    assert lease is not None
    assert lease["spec"]["holderIdentity"] == "third"
    assert lease["spec"]["leaseDurationSeconds"] == 15
    assert lease["spec"]["leaseTransitions"] >= 3

    # The same name again, as after a container's restart: at once.
    await candidate("third").acquire()


def run(test: Awaitable[None]) -> None:
    """In a loop of its own."""

    async def main() -> None:
        await test

    asyncio.run(main())
