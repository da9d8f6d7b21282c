"""Commits that are lost, refused or overtaken on their way."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from doublegate.runtime.partition import TopicPartitionKey
from doublegate.runtime.sent_commits import SentCommits

NAME = TopicPartitionKey("t", 0)


def test_what_is_answered_is_not_sent_again() -> None:
    sent = SentCommits()
    sent.sent({NAME: (5, "m")})
    sent.taken(NAME, 5)
    assert [sent.again(), sent.again()] == [{}, {}]


def test_what_is_not_answered_is_sent_again_after_a_while() -> None:
    sent = SentCommits()
    sent.sent({NAME: (5, "m")})
    assert sent.again() == {}, "it was sent a moment ago"
    assert sent.again() == {NAME: (5, "m")}
    sent.taken(NAME, 5)
    assert sent.again() == {}


def test_what_an_older_one_overtook_is_sent_again() -> None:
    sent = SentCommits()
    sent.sent({NAME: (5, "")})
    sent.sent({NAME: (7, "")})
    sent.taken(NAME, 7)
    sent.taken(NAME, 5)  # tried again by the client itself
    sent.again()
    assert sent.again() == {NAME: (7, "")}


def test_nothing_is_sent_again_for_who_lost_the_partition() -> None:
    sent = SentCommits()
    sent.sent({NAME: (5, "")})
    sent.again()
    sent.forget([NAME])
    assert sent.again() == {}


@given(st.lists(st.tuples(st.integers(1, 50), st.sampled_from(["lost", "at once", "late"])), min_size=1))
def test_the_last_commit_arrives_whatever_becomes_of_the_others(fates: list[tuple[int, str]]) -> None:
    sent, coordinator, late = SentCommits(), -1, []
    offset = 0
    for step, fate in fates:
        offset += step
        sent.sent({NAME: (offset, "")})
        if fate == "at once":
            coordinator = offset
            sent.taken(NAME, offset)
        elif fate == "late":
            late.append(offset)
    for old in late:
        coordinator = old
        sent.taken(NAME, old)
    for _ in range(2):
        for name, (last, _meta) in sent.again().items():
            coordinator = last
            sent.taken(name, last)
    assert coordinator == offset
