"""The claims about a downstream that degrades hold for a good series and fail for a bad one."""

from __future__ import annotations

import pytest

from tests.benchmarks.flow import degraded
from tests.unit.benchmarks.flow import group, series


@pytest.mark.parametrize(("least", "holds"), [(1, True), (8, True), (9, False)])
def test_lowers(least: int, holds: bool) -> None:
    slow = series(10, slow=lambda second: group(concurrency=least if second == 6 else 16))
    assert degraded.lowers(series(5), slow).holds is holds


@pytest.mark.parametrize(
    ("low", "most", "holds"), [(1, 16, True), (1, 12, True), (1, 11, False), (16, 16, False)]
)
def test_comes_back(low: int, most: int, holds: bool) -> None:
    healed = series(10, slow=lambda second: group(concurrency=low if second < 5 else most))
    assert degraded.comes_back(series(5), healed).holds is holds


@pytest.mark.parametrize(
    ("opened_at", "calls", "holds"), [(2, 1, True), (2, 100, False), (10, 1, False), (99, 1, False)]
)
def test_pauses(opened_at: int, calls: int, holds: bool) -> None:
    failing = series(
        10,
        slow=lambda second: group(paused=("breaker",) if second >= opened_at else ()),
        calls=lambda second: calls * second,
    )
    assert degraded.pauses(series(10, calls=lambda second: 150 * second), failing).holds is holds


@pytest.mark.parametrize(
    ("letters", "failed", "holds"), [(0, 9, True), (20, 100, True), (21, 100, False), (0, 0, False)]
)
def test_letters(letters: int, failed: int, holds: bool) -> None:
    failing = series(
        1, slow=lambda second: group(letters=letters * second), failed=lambda second: failed * second
    )
    assert degraded.letters(failing, 5).holds is holds


@pytest.mark.parametrize(
    ("opened_until", "highest", "holds"), [(3, 960, True), (3, 2000, False), (99, 800, False)]
)
def test_rebounds(opened_until: int, highest: int, holds: bool) -> None:
    mended = series(
        10,
        slow=lambda second: group(
            behind=highest if second == 6 else 800, paused=("breaker",) if second < opened_until else ()
        ),
    )
    assert degraded.rebounds(mended).holds is holds


def test_resumes() -> None:
    def mended(**last: object) -> bool:
        end = {"done": 900, "behind": 10, "paused": ()} | last
        run = series(5, slow=lambda second: group(**end) if second == 5 else group(behind=900))
        return degraded.resumes(run, 150.0).holds

    assert mended()
    assert not mended(paused=("breaker",))
    assert not mended(behind=151)
    assert not mended(done=0)
