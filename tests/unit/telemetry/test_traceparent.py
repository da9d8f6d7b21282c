"""The trace header: what is accepted, and that the cheap look agrees with the strict one."""

import multiprocessing
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from doublegate.telemetry.traceparent import (
    TraceContext,
    format_traceparent,
    is_sampled,
    new_traceparent,
    parse_traceparent,
    trace_id_of,
)

TRACE = b"0af7651916cd43dd8448eb211c80319c"
SPAN = b"b7ad6b7169203331"
GOOD = b"00-" + TRACE + b"-" + SPAN + b"-01"


def test_reads_ids_and_flag() -> None:
    assert parse_traceparent(GOOD) == TraceContext(int(TRACE, 16), int(SPAN, 16), sampled=True)


@pytest.mark.parametrize(
    "raw",
    [
        None,
        b"",
        b"garbage",
        b"ff" + GOOD[2:],
        b"00-" + b"0" * 32 + b"-" + SPAN + b"-01",
        b"00-" + TRACE + b"-" + b"0" * 16 + b"-01",
        GOOD.upper(),
        GOOD[:-1],
        GOOD + b"0",
        GOOD + b"-more",
        GOOD + b"\n",
        b" " + GOOD,
        GOOD.replace(b"-", b"_"),
        b"\xff" * 55,
    ],
)
def test_refuses_what_is_not_w3c(raw: bytes | None) -> None:
    assert parse_traceparent(raw) is None
    assert trace_id_of(raw) == ""


def test_accepts_a_later_version_with_more_fields() -> None:
    assert parse_traceparent(b"01" + GOOD[2:] + b"-what-comes") == parse_traceparent(GOOD)
    assert parse_traceparent(b"01" + GOOD[2:] + b"what-comes") is None


@given(st.integers(1, 2**128 - 1), st.integers(1, 2**64 - 1), st.integers(0, 255))
def test_the_look_at_one_byte_agrees_with_the_parse(trace: int, span: int, flags: int) -> None:
    raw = b"00-%032x-%016x-%02x" % (trace, span, flags)
    context = parse_traceparent(raw)
    assert context is not None
    assert is_sampled(raw) is context.sampled is bool(flags & 1)
    assert format_traceparent(context)[:53] == raw[:53]
    assert trace_id_of(raw) == f"{trace:032x}"


@given(st.binary(max_size=80) | st.none())
def test_no_bytes_break_it(raw: bytes | None) -> None:
    is_sampled(raw)
    parse_traceparent(raw)
    trace_id_of(raw)


@pytest.mark.parametrize("sampled", [True, False])
def test_a_new_header_is_valid_and_never_the_same(sampled: bool) -> None:
    contexts = [parse_traceparent(new_traceparent(sampled=sampled)) for _ in range(100)]
    assert all(context is not None and context.sampled is sampled for context in contexts)
    assert len({context.trace_id for context in contexts if context}) == 100


def test_neither_a_seed_nor_a_fork_repeats_ids() -> None:
    random.seed(1)
    first = new_traceparent(sampled=False)
    random.seed(1)
    assert new_traceparent(sampled=False) != first
    with multiprocessing.get_context("fork").Pool(2) as pool:
        made = pool.map_async(_make, range(8), chunksize=1).get(30)
    assert len(set(made)) == 8


def _make(_: int) -> bytes:
    return new_traceparent(sampled=False)
