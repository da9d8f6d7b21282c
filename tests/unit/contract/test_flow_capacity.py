from __future__ import annotations

import pytest

from doublegate.contract.flow_capacity import CapacityMeter

TARGET = 10.0


def test_without_a_backlog_the_estimate_holds() -> None:
    meter = CapacityMeter(TARGET)
    for second in range(1, 10):
        assert meter.read(500.0, 10, 20 * second, float(second), held_up=False) == 500.0


def test_under_a_backlog_what_is_done_counts() -> None:
    meter = CapacityMeter(TARGET)
    for second in range(1, 30):
        capacity = meter.read(500.0, 5000, 40 * second, float(second), held_up=False)
    assert capacity == pytest.approx(40, rel=0.01)
    for second in range(30, 60):
        capacity = meter.read(500.0, 5000, 29 * 40 + 90 * (second - 29), float(second), held_up=False)
    assert capacity == pytest.approx(90, rel=0.01)
    assert meter.read(500.0, 0, 10_000, 60.0, held_up=False) > 90
    assert meter.read(500.0, 0, 10_001, 61.0, held_up=False) == 500.0


def test_what_keeps_it_from_working_is_not_its_capacity() -> None:
    meter = CapacityMeter(TARGET)
    for second in range(1, 30):
        assert meter.read(50.0, 5000, 0, float(second), held_up=True) == 50.0


def test_a_handler_that_hangs_leaves_a_rate_to_find_out_by() -> None:
    meter = CapacityMeter(TARGET)
    for second in range(1, 100):
        capacity = meter.read(50.0, 5000, 0, float(second), held_up=False)
    assert capacity == 0.1
