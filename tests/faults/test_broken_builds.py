"""A checker that can't fail is none: each broken build must be caught by the rule that it breaks."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.faults.checker import check
from tests.faults.handlers import Kind
from tests.faults.plan import Config, Effect, Event, Planned, Schedule
from tests.faults.run import perform

if TYPE_CHECKING:
    from pathlib import Path

    from tests.faults.world import World


def events(count: int, kind: Kind, *, keys: int = 40, within: float = 1.0) -> list[Event]:
    return [
        Event(number * within / count, f"e-{number:05d}-{kind.value}", f"k{number % keys}", number)
        for number in range(count)
    ]


def schedule(sent: list[Event], *faults: Planned, patience: float = 8.0, replays: bool = False) -> Schedule:
    config = Config(effect=Effect.PLAIN, members=2)
    return Schedule(0, config, tuple(sent), faults, patience=patience, replays=replays)


CASES = {
    # What the paused one had claimed and not started is performed by the other, then by itself.
    "no_lease": (
        schedule(events(60, Kind.SLOW), Planned(1.0, "member_pause", 11.0)),
        {"no start under a stale epoch"},
    ),
    # The one that wakes up goes on with what it had read, before the other has come there.
    "no_epoch": (
        schedule(events(160, Kind.SLOW, keys=12), Planned(1.5, "member_pause", 9.0)),
        {
            "a key's order is kept",
            "no start under a stale epoch",
            "a second effect is named",
            "nothing is lost",
        },
    ),
    "commit_first": (
        schedule(events(200, Kind.SLOW), Planned(2.5, "member_kill")),
        {"nothing is lost"},
    ),
    "done_for_failed": (
        schedule(events(20, Kind.FAILS), replays=True),
        {"a replay performs what had failed"},
    ),
    # Records that are given back unstarted come again to a filter that has seen them.
    "filter_drops": (
        schedule(events(120, Kind.SLOW), Planned(2.0, "member_term")),
        {"nothing is lost"},
    ),
}


@pytest.mark.parametrize("build", CASES)
def test_the_checker_catches(world: World, tmp_path: Path, build: str) -> None:
    planned, rules = CASES[build]
    verdict = check(perform(world, planned, tmp_path, build))
    caught = {violation.rule for violation in verdict.violations}
    print(verdict)
    assert caught & rules, verdict
    assert "no engine stops" not in caught, "it is not the break that was caught"
