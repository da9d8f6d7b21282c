"""Each claim of `make bench-flow` holds for a good series and fails for a bad one."""

from __future__ import annotations

import pytest

from tests.benchmarks.flow import verdicts
from tests.benchmarks.flow.turns import turns
from tests.unit.benchmarks.flow import group, series


@pytest.mark.parametrize(("peak", "holds"), [(16, True), (9, True), (17, False), (3, False)])
def test_bounded(peak: int, holds: bool) -> None:
    run = series(10, peak=lambda second: peak if second == 5 else 0)
    assert verdicts.bounded(run, 16).holds is holds


@pytest.mark.parametrize(
    ("held", "behind", "holds"), [(2000, 9000, True), (2001, 9000, False), (2000, 2500, False)]
)
def test_absorbs(held: int, behind: int, holds: bool) -> None:
    run = series(10, slow=lambda second: group(held=held if second == 3 else 0, behind=behind))
    assert verdicts.absorbs(run, 2000).holds is holds


@pytest.mark.parametrize(
    ("quick", "slow", "holds"), [(1500, 450, True), (1400, 450, False), (1500, 1500, False)]
)
def test_not_slowed(quick: int, slow: int, holds: bool) -> None:
    run = series(
        30,
        slow=lambda second: group(done=slow * second),
        quick=lambda second: group(done=quick * second),
        written=lambda second: 1500 * second,
    )
    assert verdicts.not_slowed(run, "claim").holds is holds


def test_flat() -> None:
    before = series(10)
    assert verdicts.flat(before, series(10, slow=lambda _: group(memory=105 << 20))).holds
    grows = series(10, quick=lambda second: group(memory=(100 + 2 * second) << 20))
    verdict = verdicts.flat(before, grows)
    assert not verdict.holds
    assert "quick-1" in verdict.figure


@pytest.mark.parametrize(("first", "last", "holds"), [(9000, 100, True), (9000, 200, False), (50, 0, False)])
def test_drains(first: int, last: int, holds: bool) -> None:
    run = series(10, slow=lambda second: group(behind=last if second == 10 else first))
    assert verdicts.drains(run, 150.0, 4000).holds is holds


@pytest.mark.parametrize(
    ("written", "done", "holds"),
    [(500, 450, True), (900, 450, False), (100, 450, False), (1400, 1400, False)],
)
def test_slows(written: int, done: int, holds: bool) -> None:
    run = series(
        30,
        slow=lambda second: group(done=done * second),
        offered=lambda second: 1500 * second,
        written=lambda second: written * second,
    )
    assert verdicts.slows(run).holds is holds


def test_slows_does_not_count_the_seconds_before_the_first_word() -> None:
    run = series(
        30,
        slow=lambda second: group(done=450 * second),
        offered=lambda second: 1500 * second,
        written=lambda second: 450 * second + 1000 * min(second, 5),
    )
    assert verdicts.slows(run).holds


def test_steady() -> None:
    def holds(curve: list[int], suggested: float | None = 450.0) -> bool:
        run = series(
            len(curve) - 1, slow=lambda second: group(behind=curve[second]), suggested=lambda _: suggested
        )
        return verdicts.steady(run).holds

    assert holds([0, 500, 900, 1000, 950, 1000, 500, 0])
    assert not holds([0, 1000, 200, 1000, 200, 1000, 200, 0])
    assert not holds([0, 500, 900, 1000, 950, 1000, 500, 0], None)  # nobody asked for less


def test_recovers() -> None:
    def recovery(written: int, suggested: float | None) -> bool:
        run = series(
            20,
            offered=lambda second: 150 * second,
            written=lambda second: written * second,
            suggested=lambda _: suggested,
        )
        return verdicts.recovers(run).holds

    assert recovery(150, None)
    assert not recovery(140, None)
    assert not recovery(150, 500.0)


@pytest.mark.parametrize(
    ("curve", "count"),
    [([1, 2, 3], 0), ([3, 1, 3], 1), ([1, 3, 1, 3], 2), ([1, 1.5, 1, 1.5], 0), ([1], 0)],
)
def test_turns(curve: list[float], count: int) -> None:
    assert turns(curve, ripple=1.0) == count
