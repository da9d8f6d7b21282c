from datetime import UTC, datetime, timedelta

import pytest

from doublegate.contract import headers as names
from doublegate.contract.deadletter import DeadLetter, DeadLetterReason
from doublegate.contract.errors import DoublegateError
from doublegate.contract.gate_spec import IdentitySpec
from doublegate.deadletters.letters import StoredLetter
from doublegate.deadletters.selection import Selection, Verdict, headers_to_send

NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)
ORIGINAL = [
    (names.CORRELATION_ID, b"e-1"),
    (names.TRACEPARENT, b"00-" + b"1" * 52),
    ("mine", b"\xff"),
    ("mine", None),
]
IDENTITY = IdentitySpec.model_validate({})


def letter(
    reason=DeadLetterReason.FAILED, *, event_id="e-1", failed_at=NOON, original=ORIGINAL, value=b"payload"
):
    facts = DeadLetter(
        reason=reason,
        error="boom",
        attempt=3,
        topic="flights",
        partition=2,
        offset=41,
        timestamp_ms=1,
        group="g",
        failed_at=failed_at,
    )
    return StoredLetter(0, 7, event_id, facts, "", facts.to_headers(original), b"key", value)


BROKEN = StoredLetter(0, 8, "e-1", None, "no reason", [], None, b"")


@pytest.mark.parametrize(
    ("selection", "verdict"),
    [
        (Selection(), Verdict.REPLAY),
        (Selection(reasons=frozenset({DeadLetterReason.FAILED})), Verdict.REPLAY),
        (Selection(reasons=frozenset({DeadLetterReason.POISON})), Verdict.OTHER),
        (Selection(ids=frozenset({"e-1"})), Verdict.REPLAY),
        (Selection(ids=frozenset({"e-2"})), Verdict.OTHER),
        (Selection(failed_after=NOON), Verdict.REPLAY),
        (Selection(failed_after=NOON + timedelta(seconds=1)), Verdict.OTHER),
        (Selection(failed_before=NOON), Verdict.OTHER),
        (Selection(failed_before=NOON + timedelta(seconds=1)), Verdict.REPLAY),
    ],
)
def test_filters(selection, verdict):
    assert selection.verdict(letter(), "r") is verdict


@pytest.mark.parametrize(
    "reason", [DeadLetterReason.POISON, DeadLetterReason.SCHEMA, DeadLetterReason.PARKED]
)
def test_whatever_surely_had_no_effect_is_replayed(reason):
    assert Selection().verdict(letter(reason), "r") is Verdict.REPLAY


def test_unknown_outcomes_and_conflicts_need_to_be_accepted():
    unknown, conflict = letter(DeadLetterReason.UNKNOWN_OUTCOME), letter(DeadLetterReason.CONFLICT)
    assert Selection().verdict(unknown, "r") is Verdict.NEEDS_ACCEPT_UNKNOWN
    assert Selection(accept_unknown=True).verdict(unknown, "r") is Verdict.REPLAY
    assert Selection().verdict(conflict, "r") is Verdict.NEEDS_ACCEPT_CONFLICTS
    assert Selection(accept_conflicts=True).verdict(conflict, "r") is Verdict.REPLAY


def test_a_record_that_is_no_letter_is_never_sent():
    assert Selection().verdict(BROKEN, "r") is Verdict.BROKEN
    assert Selection(reasons=frozenset({DeadLetterReason.FAILED})).verdict(BROKEN, "r") is Verdict.OTHER


def test_what_failed_again_is_not_sent_twice_by_one_replay():
    again = letter(original=[*ORIGINAL, (names.REPLAY_ID, b"r")])
    assert Selection().verdict(again, "r") is Verdict.FAILED_AGAIN
    assert Selection().verdict(again, "another") is Verdict.REPLAY


def test_the_event_keeps_its_headers_byte_for_byte_and_says_where_it_was():
    sent = headers_to_send(letter(), "r", IDENTITY)
    assert sent[: len(ORIGINAL)] == ORIGINAL
    assert sent[len(ORIGINAL) :] == [
        (names.DLQ_ATTEMPT, b"3"),
        (names.DLQ_TOPIC, b"flights"),
        (names.DLQ_PARTITION, b"2"),
        (names.DLQ_OFFSET, b"41"),
        (names.REPLAY_ID, b"r"),
    ]


def test_a_replay_of_a_replay_carries_one_replay_id():
    again = letter(original=[*ORIGINAL, (names.REPLAY_ID, b"first")])
    sent = headers_to_send(again, "second", IDENTITY)
    assert [value for name, value in sent if name == names.REPLAY_ID] == [b"second"]


def test_a_conflict_gets_an_id_of_its_own_that_follows_its_payload():
    def renamed(value):
        sent = headers_to_send(letter(DeadLetterReason.CONFLICT, value=value), "r", IDENTITY)
        return next(found for name, found in sent if name == names.CORRELATION_ID)

    assert renamed(b"one").startswith(b"e-1~")
    assert renamed(b"one") == renamed(b"one") != renamed(b"two")


def test_a_renamed_id_stays_within_its_limit_and_utf8():
    original = [(names.CORRELATION_ID, "ö".encode() * 127)]
    sent = headers_to_send(letter(DeadLetterReason.CONFLICT, original=original), "r", IDENTITY)
    assert len(sent[0][1]) <= 255
    assert sent[0][1].decode().endswith(sent[0][1].decode()[-17:])


def test_a_conflict_with_its_id_in_the_payload_is_refused_with_the_way_out():
    with pytest.raises(DoublegateError, match="publish it anew"):
        headers_to_send(
            letter(DeadLetterReason.CONFLICT), "r", IdentitySpec.model_validate({"payloadField": "id"})
        )
