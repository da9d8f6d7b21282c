"""The election on a Lease in memory; tests/operator runs the same on the real API server."""

from __future__ import annotations

import asyncio
import copy
from typing import Any

import pytest

from doublegate_operator.shell.lease import Election, LeadershipLost, Taken
from tests.unit.operator_shell.election import Time, run, the_election


class FakeLeases:
    """Keeps the Lease as the API server does: every write needs the version that was read."""

    def __init__(self) -> None:
        self.lease: dict[str, Any] | None = None
        self.version = 0
        self.away = False
        self.loses_answers = False

    async def get(self) -> dict[str, Any] | None:
        self._there()
        return copy.deepcopy(self.lease)

    async def create(self, lease: dict[str, Any]) -> dict[str, Any]:
        self._there()
        if self.lease is not None:
            raise Taken
        return self._write({**lease, "metadata": {"uid": "u"}})

    async def replace(self, lease: dict[str, Any]) -> dict[str, Any]:
        self._there()
        if self.lease is None or lease["metadata"]["resourceVersion"] != str(self.version):
            raise Taken
        written = self._write(lease)
        if self.loses_answers:
            self.loses_answers = False
            raise TimeoutError
        return written

    def _there(self) -> None:
        if self.away:
            raise ConnectionError("nobody answers")

    def _write(self, lease: dict[str, Any]) -> dict[str, Any]:
        self.version += 1
        self.lease = copy.deepcopy(lease)
        self.lease["metadata"]["resourceVersion"] = str(self.version)
        return copy.deepcopy(self.lease)


def test_the_election() -> None:
    leases = FakeLeases()
    run(the_election(lambda _name: leases))


def test_two_that_start_at_once_are_not_both_elected() -> None:
    async def main() -> None:
        leases, time = FakeLeases(), Time()
        elections = [Election(leases, f"op-{n}", clock=time.clock, sleep=time.sleep) for n in range(5)]
        tasks = [asyncio.create_task(election.acquire()) for election in elections]
        await time.pass_until(29)  # nobody renews, so the lease is lost after 15 s, to one at a time
        assert sum(task.done() for task in tasks) == 2
        for task in tasks:
            task.cancel()

    run(main())


def test_without_the_api_it_gives_up_before_another_may_take_over() -> None:
    async def main() -> None:
        leases, time = FakeLeases(), Time()
        election = Election(leases, "op", clock=time.clock, sleep=time.sleep)
        await election.acquire()
        holding = asyncio.create_task(election.hold())
        await time.pass_until(10)
        leases.away = True
        renewed = 10.0
        while not holding.done():
            await time.pass_until(time.now + 0.5)
        with pytest.raises(LeadershipLost, match="could not be renewed"):
            holding.result()
        assert time.now - renewed <= 10

    run(main())


def test_a_short_absence_of_the_api_costs_nothing() -> None:
    async def main() -> None:
        leases, time = FakeLeases(), Time()
        election = Election(leases, "op", clock=time.clock, sleep=time.sleep)
        await election.acquire()
        holding = asyncio.create_task(election.hold())
        await time.pass_until(10)
        leases.away = True
        await time.pass_until(16)
        leases.away = False
        await time.pass_until(60)
        assert not holding.done()
        holding.cancel()

    run(main())


def test_an_answer_that_got_lost_is_no_reason_to_stop() -> None:
    async def main() -> None:
        leases, time = FakeLeases(), Time()
        election = Election(leases, "op", clock=time.clock, sleep=time.sleep)
        await election.acquire()
        holding = asyncio.create_task(election.hold())
        leases.loses_answers = True
        await time.pass_until(60)
        assert not holding.done()
        holding.cancel()

    run(main())


def test_a_lease_that_somebody_deleted_is_written_anew() -> None:
    async def main() -> None:
        leases, time = FakeLeases(), Time()
        election = Election(leases, "op", clock=time.clock, sleep=time.sleep)
        await election.acquire()
        leases.lease = None
        holding = asyncio.create_task(election.hold())
        await time.pass_until(6)
        with pytest.raises(LeadershipLost):
            holding.result()
        await election.acquire()
        assert leases.lease is not None

    run(main())
