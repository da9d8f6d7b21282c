"""A run carried up."""

from __future__ import annotations

import pytest

from tests.benchmarks.flow.sizing import backlog, cost
from tests.unit.benchmarks.flow import group, series


def test_cost_is_per_event_of_those_who_paid_it() -> None:
    run = series(
        10,
        slow=lambda second: group(done=50 * second, cpu=99.0 * second),  # its HTTP client is not the others'
        quick=lambda second: group(done=150 * second, cpu=0.3 * second),
        servers=lambda second: {"kafka": 0.4 * second},
    )
    found = cost(run)
    assert found.consumer == pytest.approx(0.002)
    assert found.servers == {"kafka": pytest.approx(0.002)}
    assert found.cores(150_000) == {"consumers": pytest.approx(300), "kafka": pytest.approx(300)}


def test_backlog() -> None:
    assert backlog(1500, 450, 30, 150) == (31_500, 105)
    assert backlog(400, 450, 30, 150) == (0, 0)
