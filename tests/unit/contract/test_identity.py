"""Event ids: which bytes are one, and why others are not."""

from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from doublegate.contract import IdProblem, cloud_events_id, header_id, header_reader, payload_id
from doublegate.contract.resource import IdentitySpec

ID = "correlation_id"


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ([(ID, b"a1")], b"a1"),
        ([("x", b"no"), (ID, "ä€".encode()), ("y", None)], "ä€".encode()),
        ([(ID, b"x" * 255)], b"x" * 255),
        ([(ID, b"a"), ("y", b"b"), (ID, b"a")], b"a"),
        (None, IdProblem.MISSING),
        ([], IdProblem.MISSING),
        ([("Correlation_Id", b"a")], IdProblem.MISSING),
        ([(ID, b"")], IdProblem.EMPTY),
        ([(ID, None)], IdProblem.EMPTY),
        ([(ID, None), (ID, None)], IdProblem.EMPTY),
        ([(ID, b"x" * 256)], IdProblem.TOO_LONG),
        ([(ID, "ä".encode() * 128)], IdProblem.TOO_LONG),
        ([(ID, b"\xff")], IdProblem.NOT_UTF8),
        ([(ID, b"a"), (ID, b"b")], IdProblem.AMBIGUOUS),
        ([(ID, b"a"), (ID, None)], IdProblem.AMBIGUOUS),
    ],
)
def test_header(headers, expected):
    assert header_id(headers, ID) == expected


part = st.text("0:/a", min_size=1, max_size=12).map(str.encode)  # digits and colons, to confuse the joint


@given(part, part, part, part)
def test_two_cloud_events_never_share_an_id(source, event, other_source, other_event):
    ids = [
        cloud_events_id([("ce_source", a), ("ce_id", b)])
        for a, b in ((source, event), (other_source, other_event))
    ]
    assert (ids[0] == ids[1]) == ((source, event) == (other_source, other_event))


def test_cloud_events():
    assert cloud_events_id([("ce_id", b"7"), ("ce_source", b"/shop")]) == b"5:/shop:7"
    assert cloud_events_id([("ce_id", b"7")]) is IdProblem.MISSING
    assert cloud_events_id([("ce_source", b"/shop")]) is IdProblem.MISSING
    assert cloud_events_id([("ce_id", b"7" * 130), ("ce_source", b"/" * 130)]) is IdProblem.TOO_LONG


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("a1", b"a1"),
        (17, b"17"),
        (b"raw", b"raw"),
        (UUID(int=1), b"00000000-0000-0000-0000-000000000001"),
        (None, IdProblem.MISSING),
        ("", IdProblem.EMPTY),
        (True, IdProblem.NOT_SCALAR),
        (1.5, IdProblem.NOT_SCALAR),
        ({}, IdProblem.NOT_SCALAR),
        ("\udc80", IdProblem.NOT_UTF8),
        ("x" * 256, IdProblem.TOO_LONG),
    ],
)
def test_payload_field(value, expected):
    assert payload_id({"order": value}, "order") == expected


def test_an_absent_payload_field_is_missing():
    assert payload_id({}, "order") is IdProblem.MISSING


def test_the_reader_follows_the_spec():
    headers = [("x-id", b"1"), ("ce_id", b"2"), ("ce_source", b"s"), (ID, b"3")]
    read = {
        name: header_reader(IdentitySpec.model_validate(given))
        for name, given in {
            "default": {},
            "header": {"header": "x-id"},
            "cloud": {"cloudEvents": True},
            "payload": {"payloadField": "order"},
        }.items()
    }
    assert read.pop("payload") is None
    assert {name: reader(headers) for name, reader in read.items()} == {
        "default": b"3",
        "header": b"1",
        "cloud": b"1:s:2",
    }


@pytest.mark.parametrize(
    ("given", "where"),
    [
        ({}, "header correlation_id"),
        ({"cloudEvents": True}, "headers ce_source and ce_id"),
        ({"payloadField": "order"}, "payload field order"),
    ],
)
@pytest.mark.parametrize("problem", IdProblem)
def test_a_problem_says_where_and_what_is_allowed(given, where, problem):
    text = problem.describe(IdentitySpec.model_validate(given))
    assert text.startswith(f"event id: {where} ")
    assert text.endswith("allowed: 1 to 255 bytes of UTF-8, once")
