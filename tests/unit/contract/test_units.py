"""Durations and byte sizes: what is read, what is refused, and that nothing is lost on the way back."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from doublegate.contract.units import (
    BYTE_SIZE_PATTERN,
    DURATION_PATTERN,
    ByteSize,
    Duration,
    Rate,
    format_byte_size,
    format_duration,
    parse_byte_size,
    parse_duration,
)

duration = TypeAdapter(Duration)
byte_size = TypeAdapter(ByteSize)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("200ms", 0.2),
        ("10s", 10),
        ("1h30m", 5400),
        ("14d", 1_209_600),
        ("1d2h3m4s5ms", 93_784.005),
        ("0s", 0),
    ],
)
def test_duration_in_seconds(text, seconds):
    assert duration.validate_python(text) == seconds


@pytest.mark.parametrize(
    "text",
    [
        10,
        1.5,
        True,
        None,
        "",
        "10",
        "s",
        "10 s",
        "1.5s",
        "-1s",
        "30m1h",
        "1s1s",
        "10s\n",
        "\u0661s",
        "9" * 40 + "s",
    ],
)
def test_no_duration(text):
    with pytest.raises(ValidationError, match=r"whole numbers with units d, h, m, s, ms"):
        duration.validate_python(text)


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("64Mi", 64 << 20),
        ("1Gi", 1 << 30),
        ("512k", 512_000),
        ("7", 7),
        (7, 7),
        ("2G", 2 * 10**9),
        ("3Ki", 3072),
    ],
)
def test_byte_size_in_bytes(text, size):
    assert byte_size.validate_python(text) == size


@pytest.mark.parametrize(
    "text", [-1, 1.5, True, None, "", "Mi", "1.5Mi", "64 Mi", "64mi", "64MB", "1Mi\n", "9" * 40]
)
def test_no_byte_size(text):
    with pytest.raises(ValidationError, match=r"whole number of bytes"):
        byte_size.validate_python(text)


@given(st.integers(0, 10**14))
def test_a_duration_survives_writing_and_reading(milliseconds):
    text = format_duration(milliseconds / 1000)
    assert parse_duration(text) == milliseconds / 1000
    assert re.match(DURATION_PATTERN, text)


@given(
    st.integers(0, 10**18 - 1)
    | st.builds(lambda n, s: n << s, st.integers(0, 999), st.sampled_from([10, 20, 30]))
)
def test_a_byte_size_survives_writing_and_reading(size):
    text = format_byte_size(size)
    assert parse_byte_size(text) == size
    assert re.match(BYTE_SIZE_PATTERN, text)


def test_written_canonically():
    assert duration.dump_python(5400.0, mode="json") == "1h30m"
    assert byte_size.dump_python(64 << 20, mode="json") == "64Mi"
    assert format_duration(3600) == "1h"
    assert format_byte_size(1000) == "1k"
    assert format_byte_size(1001) == "1001"


def test_schema_is_text_with_pattern_and_examples():
    for adapter, pattern in ((duration, DURATION_PATTERN), (byte_size, BYTE_SIZE_PATTERN)):
        schema = adapter.json_schema()
        assert (schema["type"], schema["pattern"]) == ("string", pattern)
        assert all(re.match(pattern, example) for example in schema["examples"])


def test_a_rate_is_a_positive_number():
    assert TypeAdapter(Rate).validate_python(15_000) == 15_000
    with pytest.raises(ValidationError):
        TypeAdapter(Rate).validate_python(0)
