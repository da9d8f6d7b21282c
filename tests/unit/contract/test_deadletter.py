"""Dead letters: nothing of the original is touched, and ours stands there once."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from doublegate.contract import (
    BrokenDeadLetter,
    DeadLetter,
    DeadLetterReason,
    original_headers,
    replay_headers,
)
from doublegate.contract import headers as names

text = st.text(st.characters(exclude_categories=["Cs"]), max_size=50)
foreign = st.tuples(
    (
        text | st.sampled_from([names.CORRELATION_ID, names.TRACEPARENT, "dg-dlq-mine", "DG-DLQ-REASON"])
    ).filter(lambda name: name not in names.DLQ_HEADERS | {names.REPLAY_ID}),
    st.none() | st.binary(max_size=50),
)
letters = st.builds(
    DeadLetter,
    reason=st.sampled_from(DeadLetterReason),
    error=text,
    attempt=st.integers(0, 10_000),
    topic=text,
    partition=st.integers(0, 100_000),
    offset=st.integers(0, 2**63 - 1),
    timestamp_ms=st.integers(-1, 2**62),
    group=text,
    failed_at=st.datetimes(timezones=st.just(UTC)),
)


def letter(**changes):
    given = {
        "reason": DeadLetterReason.FAILED,
        "error": "ValueError: no",
        "attempt": 5,
        "topic": "payments",
        "partition": 3,
        "offset": 42,
        "timestamp_ms": 1_700_000_000_000,
        "group": "shop",
        "failed_at": datetime(2026, 1, 2, 3, 4, 5, 678901, UTC),
    }
    return DeadLetter(**(given | changes))


@given(st.lists(foreign, max_size=8), letters, letters)
def test_originals_survive_failure_replay_and_second_failure(original, first, second):
    dead = first.to_headers(original)
    assert DeadLetter.from_headers(dead) == first
    assert original_headers(dead) == original
    assert dead[: len(original)] == original

    replayed = replay_headers(dead, "replay-1")
    assert replayed == [*original, (names.REPLAY_ID, b"replay-1")]

    again = second.to_headers(replayed)
    assert DeadLetter.from_headers(again) == second
    assert original_headers(again) == original
    ours = [name for name, _ in again if name in names.DLQ_HEADERS]
    assert sorted(ours) == sorted(names.DLQ_HEADERS)
    assert [name for name, _ in replay_headers(again, "replay-2")].count(names.REPLAY_ID) == 1


@given(st.lists(foreign, max_size=3), letters, letters)
def test_a_dead_letter_sent_again_as_it_is_piles_nothing_up(original, first, second):
    dead = second.to_headers(first.to_headers(original))
    assert len(dead) == len(original) + len(names.DLQ_HEADERS)
    assert DeadLetter.from_headers(dead) == second


@given(st.builds(lambda start, rest: start + rest * 400, text, st.text(min_size=1, max_size=3)))
def test_the_error_is_cut_at_a_character(error):
    value = dict(letter(error=error).to_headers([]))[names.DLQ_ERROR]
    assert len(value) <= 1024
    whole = error.encode(errors="backslashreplace")
    assert whole.startswith(value)
    assert value.decode() is not None
    assert len(whole) <= 1024 or len(value) > 1020


def test_a_letter_on_the_wire():
    headers = letter().to_headers([("correlation_id", b"a"), ("correlation_id", b"a"), ("x", None)])
    assert headers == [
        ("correlation_id", b"a"),
        ("correlation_id", b"a"),
        ("x", None),
        ("dg-dlq-reason", b"failed"),
        ("dg-dlq-error", b"ValueError: no"),
        ("dg-dlq-attempt", b"5"),
        ("dg-dlq-topic", b"payments"),
        ("dg-dlq-partition", b"3"),
        ("dg-dlq-offset", b"42"),
        ("dg-dlq-timestamp", b"1700000000000"),
        ("dg-dlq-group", b"shop"),
        ("dg-dlq-failed-at", b"2026-01-02T03:04:05.678901+00:00"),
    ]


def test_a_record_without_headers():
    assert len(letter().to_headers(None)) == len(names.DLQ_HEADERS)
    assert original_headers(None) == []


def test_time_is_written_in_utc():
    summer = datetime(2026, 7, 1, 12, tzinfo=timezone(timedelta(hours=2)))
    assert dict(letter(failed_at=summer).to_headers([]))[names.DLQ_FAILED_AT] == b"2026-07-01T10:00:00+00:00"
    with pytest.raises(ValueError, match="time zone"):
        letter(failed_at=datetime(2026, 7, 1))  # noqa: DTZ001


@pytest.mark.parametrize("name", sorted(names.DLQ_HEADERS))
def test_a_missing_header_is_named(name):
    headers = [header for header in letter().to_headers([]) if header[0] != name]
    with pytest.raises(BrokenDeadLetter, match=f"header {name} is missing; allowed: "):
        DeadLetter.from_headers(headers)


@pytest.mark.parametrize(
    ("name", "value", "allowed"),
    [
        (names.DLQ_REASON, b"because", "failed, poison, schema, conflict, unknown_outcome, parked"),
        (names.DLQ_OFFSET, b"-1", "a whole number from 0"),
        (names.DLQ_OFFSET, b"1_0", "a whole number from 0"),
        (names.DLQ_OFFSET, "\u0661".encode(), "a whole number from 0"),
        (names.DLQ_ATTEMPT, b"", "a whole number from 0"),
        (names.DLQ_TIMESTAMP, b"-2", "a whole number from -1"),
        (names.DLQ_FAILED_AT, b"yesterday", "an ISO 8601 time with its zone"),
        (names.DLQ_FAILED_AT, b"2026-01-02T03:04:05", "an ISO 8601 time with its zone"),
        (names.DLQ_TOPIC, b"\xff", "UTF-8 text"),
        (names.DLQ_ERROR, None, "UTF-8 text"),
    ],
)
def test_a_broken_header_is_named(name, value, allowed):
    headers = [(key, value if key == name else old) for key, old in letter().to_headers([])]
    with pytest.raises(BrokenDeadLetter) as caught:
        DeadLetter.from_headers(headers)
    assert str(caught.value).startswith(f"header {name} is ")
    assert f"; allowed: {allowed};" in str(caught.value)
