"""The model in memory fulfils the ledger's specification."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from doublegate.gate.ledger_types import ClaimOutcome, SessionStatus
from doublegate.gate.memory_ledger import MemoryLedger
from tests.ledger_spec import SETTINGS, LedgerSpec, Owner, new_key

if TYPE_CHECKING:
    from doublegate.gate.ledger_protocol import LedgerApi


class Clock:
    """Seconds that pass when told to."""

    def __init__(self) -> None:
        self.now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


class TestMemoryLedger(LedgerSpec):
    """The specification, without a server."""

    @pytest.fixture
    def clock(self) -> Clock:
        return Clock()

    @pytest.fixture
    def ledger(self, clock: Clock) -> MemoryLedger:
        return MemoryLedger(SETTINGS, clock)

    def end_session(self, ledger: MemoryLedger, owner: bytes) -> None:
        ledger.sessions[owner] = 0.0

    def lose_data(self, ledger: MemoryLedger) -> None:
        ledger.forget()
        clock = ledger._clock
        assert isinstance(clock, Clock)
        clock.now += 1  # epochs rest on the time

    def test_the_heartbeat_keeps_a_session(self, ledger: MemoryLedger, clock: Clock) -> None:
        owner, key = Owner(ledger), new_key()
        owner.claim(key, 7)
        for _ in range(3):
            clock.now += SETTINGS.session - 1
            assert ledger.renew(owner.id) is SessionStatus.ALIVE
        clock.now += SETTINGS.session
        assert ledger.renew(owner.id) is SessionStatus.EXPIRED
        assert Owner(ledger).claim(key, 7)[0] is ClaimOutcome.TAKEN_OVER

    def test_it_satisfies_the_protocol(self, ledger: MemoryLedger) -> None:
        def take(_: LedgerApi) -> None: ...

        take(ledger)
