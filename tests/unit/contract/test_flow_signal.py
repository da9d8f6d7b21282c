"""The message between consumers and producers: what is written is read, what is foreign is nothing."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from doublegate.contract.flow_signal import FlowSignal, flow_key, read_signal, suggested_rate
from tests.unit.contract.flow import numbers, signal, signals


@given(signals)
def test_what_is_written_is_read(one: FlowSignal) -> None:
    assert read_signal(one.to_bytes()) == one
    assert one.key == flow_key(one.topic, one.group, one.member)


def test_the_message_tells_readers_that_do_not_know_the_law() -> None:
    said = json.loads(signal(lag=500, capacity=50.0).to_bytes())
    assert said == {
        "version": 1,
        "topic": "payments",
        "group": "shop",
        "member": "a",
        "partitions": [0, 1],
        "lag": 500,
        "capacity": 50.0,
        "target": 10.0,
        "at": 1000.0,
        "expires": 1010.0,
        "drain": 10.0,
        "rate": 50.0,
    }


def test_fields_of_later_versions_do_no_harm() -> None:
    said = json.loads(signal().to_bytes()) | {"weather": "fine", "rate": "nonsense"}
    assert read_signal(json.dumps(said).encode()) == signal()


BROKEN: list[dict[str, Any]] = [
    {"version": 2},
    {"topic": "a/b"},
    {"group": ""},
    {"member": "x" * 250},
    {"partitions": [-1]},
    {"partitions": None},
    {"lag": -1},
    {"lag": 1.5},
    {"lag": 10**30},
    {"capacity": 0},
    {"capacity": -5.0},
    {"capacity": "100"},
    {"capacity": float("inf")},
    {"target": float("nan")},
    {"expires": 1000.0},
    {"expires": 1e12},
    {"at": -1e308, "expires": 1e308},
]


@pytest.mark.parametrize("fields", BROKEN, ids=str)
def test_a_message_that_could_mislead_is_none(fields: dict[str, Any]) -> None:
    assert read_signal(json.dumps(json.loads(signal().to_bytes()) | fields).encode()) is None


@pytest.mark.parametrize("value", [None, b"", b"null", b"[]", b"{", b"\xff\xfe", b"[" * 100_000])
def test_what_is_no_message_is_none(value: bytes | None) -> None:
    assert read_signal(value) is None


@given(st.binary() | st.recursive(st.none() | st.text(), st.lists).map(lambda x: json.dumps(x).encode()))
def test_anything_can_be_on_the_topic(value: bytes) -> None:
    assert read_signal(value) is None


@given(capacity=numbers, target=numbers, lag=st.integers(0, 2**63 - 1), more=st.integers(0, 2**32))
def test_the_rate_falls_with_the_lag_and_stays_within_its_bounds(
    capacity: float, target: float, lag: int, more: int
) -> None:
    rate, later = suggested_rate(capacity, lag, target), suggested_rate(capacity, lag + more, target)
    if rate is None:
        assert lag / capacity < target
    else:
        assert 0.05 * capacity <= rate <= 1.45 * capacity * (1 + 1e-9)
        assert later is not None
        assert later <= rate


def test_at_the_target_the_rate_is_the_capacity() -> None:
    assert suggested_rate(100.0, 1000, 10.0) == 100.0
    assert suggested_rate(100.0, 0, 10.0) is None
    assert suggested_rate(100.0, 99, 10.0) is None
    assert suggested_rate(100.0, 100_000, 10.0) == 5.0
