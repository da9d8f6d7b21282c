from __future__ import annotations

import base64

from hypothesis import given, settings
from hypothesis import strategies as st

from doublegate.runtime.partition import (
    METADATA_LIMIT,
    decode_finished,
    decode_metadata,
    encode_finished,
    gaps,
)
from tests.unit.runtime.records import partition, record

offsets = st.sets(st.integers(0, 300), max_size=60)


@settings(deadline=None)
@given(commit=st.integers(0, 2**40), finished=offsets)
def test_metadata_survives_the_round_trip(commit: int, finished: set[int]) -> None:
    above = {commit + 1 + offset for offset in finished}
    unfinished = sorted(set(range(commit, commit + 302)) - above)
    text, cut = encode_finished(commit, gaps(unfinished, commit + 302))
    assert not cut
    found = decode_finished(commit, text)
    assert {o for o in range(commit - 2, commit + 310) if o in found} == above
    assert bool(found) == bool(above)


def test_gaps_in_the_offsets_cost_nothing() -> None:
    """A compacted topic jumps over millions of offsets."""
    text, _ = encode_finished(5, [(6, 50_000_000)])
    assert len(text) < 30
    assert 49_999_999 in decode_finished(5, text)


@settings(deadline=None)
@given(st.text(max_size=40))
def test_what_another_program_left_is_no_metadata(text: str) -> None:
    assert not decode_metadata(0, text if not text.startswith("dg1:") else "x" + text)[1]
    assert not decode_metadata(0, base64.b64encode(b"\x01\x05").decode())[1]
    assert not decode_metadata(0, "abcd" + base64.b64encode(b"\x01\x05").decode())[1]


@settings(deadline=None)
@given(st.binary(max_size=30))
def test_damaged_metadata_is_read_without_error(data: bytes) -> None:
    decode_metadata(0, "dg1:ab:" + base64.b64encode(data).decode())
    decode_metadata(0, "dg1:" + data.decode("latin1"))


@settings(deadline=None)
@given(st.lists(st.booleans(), max_size=50), st.integers(0, 10))
def test_advance_never_passes_an_unfinished_record(finished: list[bool], start: int) -> None:
    part = partition(position=start)
    part.pending.extend(record(part, start + 2 * i) for i in range(len(finished)))
    part.delivered = start + 2 * len(finished)
    for one, done in zip(list(part.pending), finished, strict=True):
        one.finished = done
    first = finished.index(False) if False in finished else None
    assert part.advance() == (part.delivered if first is None else start + 2 * first)
    known = decode_metadata(part.advance(), part.metadata(""))[1]
    for number, done in enumerate(finished):
        if not done:
            assert start + 2 * number not in known
        elif first is not None and number > first:
            assert start + 2 * number in known


def test_what_an_earlier_owner_finished_stays_in_the_metadata() -> None:
    part = partition(position=10, finished=decode_finished(10, encode_finished(10, [(12, 15), (20, 22)])[0]))
    assert decode_metadata(10, part.metadata(""))[1].above(0) == [(12, 15), (20, 22)]
    part.pending.append(record(part, 10))
    part.delivered = 13
    known = decode_metadata(10, part.metadata(""))[1]
    assert [offset for offset in range(30) if offset in known] == [11, 12, 13, 14, 20, 21]


def test_metadata_is_cut_to_the_limit_and_says_so() -> None:
    part = partition()
    part.pending.extend(record(part, 300 * i) for i in range(2000))
    part.delivered = 600_000
    text = part.metadata("")
    assert METADATA_LIMIT - 20 < len(text) <= METADATA_LIMIT
    assert part.crowded
    known = decode_metadata(0, text)[1]
    assert 1 in known
    assert 300 not in known
    for one in part.pending:
        one.finished = True
    part.advance()
    assert part.metadata("0123456789abcdef") == "dg1:01234567:"
    assert not part.crowded
