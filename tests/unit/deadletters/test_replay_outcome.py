"""What is counted as failed again, and how long the group is waited for."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from confluent_kafka import KafkaError, KafkaException
from hypothesis import given, settings
from hypothesis import strategies as st

from doublegate.contract.deadletter import DeadLetter, DeadLetterReason
from doublegate.contract.gate_spec import IdentitySpec
from doublegate.contract.headers import CORRELATION_ID, REPLAY_ID
from doublegate.deadletters import replay_outcome
from doublegate.deadletters.letters import StoredLetter
from doublegate.deadletters.replay import Replay
from doublegate.deadletters.replay_outcome import await_group, failed_again
from doublegate.deadletters.scan import TopicUnreadable
from doublegate.deadletters.selection import Selection

if TYPE_CHECKING:
    from doublegate.contract.headers import Headers

FACTS = DeadLetter(
    reason=DeadLetterReason.FAILED,
    error="boom",
    attempt=1,
    topic="flights",
    partition=0,
    offset=0,
    timestamp_ms=1,
    group="g",
    failed_at=datetime(2026, 5, 1, tzinfo=UTC),
)


class Letters:
    """A dead-letter topic of one partition, and the replay topic that fills it again."""

    def __init__(self, **selection: Any) -> None:
        self.stored: list[StoredLetter] = []
        self._records = 0
        self.replay = Replay(
            config={},
            dlq="g.dlq",
            group="g",
            identity=IdentitySpec.model_validate({}),
            read_id=None,
            selection=Selection(**selection),
            replay_id="r-1",
        )

    def add(self, event: str, *, reason: DeadLetterReason = DeadLetterReason.FAILED) -> None:
        self._store(event, replace(FACTS, reason=reason), [(CORRELATION_ID, event.encode())])

    def fails_again(self, event: str, *, replay_id: str = "r-1", same_record: bool = False) -> None:
        self._records += not same_record
        facts = replace(FACTS, topic="g.replay", offset=self._records)
        self._store(event, facts, [(CORRELATION_ID, b"maybe another"), (REPLAY_ID, replay_id.encode())])

    def count(self, position: int) -> int:
        return failed_again(self.replay, {0: position}, lambda: iter(self.stored))

    def _store(self, event: str, facts: DeadLetter, headers: Headers) -> None:
        offset = len(self.stored)
        self.stored.append(
            StoredLetter(0, offset, event, facts, "", facts.to_headers(headers), b"k", event.encode())
        )


def test_none_failed_again() -> None:
    letters = Letters()
    letters.add("a")
    letters.fails_again("a", replay_id="another")
    assert letters.count(position=1) == 0


def test_two_letters_of_one_event_are_two() -> None:
    letters = Letters()
    for event in ("a", "a", "b"):
        letters.add(event)
    letters.fails_again("a")
    letters.fails_again("a")
    assert letters.count(position=3) == 2


def test_one_of_them_may_be_done() -> None:
    letters = Letters()
    letters.add("a")
    letters.add("a")
    letters.fails_again("a")
    assert letters.count(position=2) == 1


def test_what_a_killed_run_sent_twice_is_one() -> None:
    letters = Letters()
    letters.add("a")
    letters.fails_again("a")
    letters.fails_again("a")
    assert letters.count(position=1) == 1


def test_a_letter_that_a_killed_consumer_wrote_twice_is_one() -> None:
    letters = Letters()
    letters.add("a")
    letters.add("a")
    letters.fails_again("a")
    letters.fails_again("a", same_record=True)
    assert letters.count(position=2) == 1


def test_what_is_not_selected_or_behind_the_cap_was_not_sent() -> None:
    letters = Letters(reasons=frozenset({DeadLetterReason.FAILED}))
    letters.add("a")
    letters.add("a", reason=DeadLetterReason.PARKED)
    letters.add("a")
    letters.fails_again("a")
    letters.fails_again("a")
    assert letters.count(position=2) == 1


def test_an_expired_letter_failed_all_the_same() -> None:
    letters = Letters()
    letters.fails_again("a")
    assert letters.count(position=1) == 1


@settings(deadline=None)
@given(st.lists(st.tuples(st.sampled_from("abc"), st.booleans(), st.booleans()), max_size=12))
def test_the_counts_are_those_of_the_letters(fates: list[tuple[str, bool, bool]]) -> None:
    """Whatever fails, in whatever order: no more than were sent, and exact where nothing was sent twice."""
    letters = Letters()
    for event, _, _ in fates:
        letters.add(event)
    for event, fails, written_twice in fates:
        if fails:
            letters.fails_again(event)
            if written_twice:
                letters.fails_again(event, same_record=True)
    assert letters.count(position=len(fates)) == sum(fails for _, fails, _ in fates)


class Group:
    """Answers in turn; an error is raised."""

    def __init__(self, *answers: bool | None) -> None:
        self._answers = list(answers)
        self.slept: list[float] = []

    def passed(self) -> bool:
        answer = self._answers.pop(0)
        if answer is None:
            raise KafkaException(KafkaError(KafkaError._TRANSPORT))
        return answer


def test_brokers_that_are_away_for_a_while_are_waited_for() -> None:
    group = Group(False, None, None, False, True)
    await_group(group.passed, "g.replay", group.slept.append)
    assert len(group.slept) == 4


def test_brokers_that_stay_away_end_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(replay_outcome, "PATIENCE_SECONDS", 0)
    group = Group(False, None)
    with pytest.raises(TopicUnreadable, match=r"g\.replay"):
        await_group(group.passed, "g.replay", group.slept.append)
    assert len(group.slept) == 1
