"""A short selection of random schedules; `make faults` runs as many as you have time for."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.faults.checker import check
from tests.faults.plan import draw
from tests.faults.run import perform

if TYPE_CHECKING:
    from pathlib import Path

    from tests.faults.world import World

SEEDS = (5, 14, 24)
"""A kill with the plain effect; grants with the inbox; parked keys and a ledger that goes."""


@pytest.mark.parametrize("seed", SEEDS)
def test_the_promises_hold(world: World, tmp_path: Path, seed: int) -> None:
    schedule = draw(seed, traces=False)
    history = perform(world, schedule, tmp_path)
    verdict = check(history)
    print(f"{schedule.about()}\n{verdict}")
    assert verdict.violations == [], schedule.about()
    assert verdict.events > 0
    assert sum(verdict.effects.values()) > 0.9 * verdict.unique


def test_the_same_seed_draws_the_same_schedule() -> None:
    assert draw(17) == draw(17)
    assert draw(17) != draw(18)
