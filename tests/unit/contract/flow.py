"""Signals for tests."""

from typing import Any

from hypothesis import strategies as st

from doublegate.contract.flow_signal import FlowSignal

names = st.from_regex(r"[a-zA-Z0-9._-]{1,20}", fullmatch=True)
numbers = st.floats(1e-6, 1e12)


def signal(**changes: Any) -> FlowSignal:
    given: dict[str, Any] = {
        "topic": "payments",
        "group": "shop",
        "member": "a",
        "partitions": (0, 1),
        "lag": 0,
        "capacity": 100.0,
        "target": 10.0,
        "at": 1000.0,
        "expires": 1010.0,
    }
    return FlowSignal(**(given | changes))


signals = st.builds(
    lambda at, life, **fields: FlowSignal(at=at, expires=at + life, **fields),
    topic=names,
    group=names,
    member=names,
    partitions=st.lists(st.integers(0, 1000), max_size=3).map(tuple),
    lag=st.integers(0, 2**63 - 1),
    capacity=numbers,
    target=numbers,
    at=st.integers(0, 2**32).map(float),
    life=st.integers(1, 60).map(float),
)
