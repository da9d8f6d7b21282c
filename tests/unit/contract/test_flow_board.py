"""Many processes and groups, one word per topic."""

from __future__ import annotations

from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from doublegate.contract.flow_board import FlowBoard, Suggestion
from doublegate.contract.flow_signal import FlowSignal, suggested_rate
from tests.unit.contract.flow import signal, signals


def board(*said: FlowSignal, now: float = 0.0) -> FlowBoard:
    made = FlowBoard()
    for one in said:
        made.take(one, now)
    return made


def test_the_members_of_a_group_are_added_up() -> None:
    both = board(signal(member="a", lag=0), signal(member="b", lag=2000, capacity=50.0))
    expected = Suggestion("payments", "shop", 2, 2000, 150.0, suggested_rate(150.0, 2000, 10.0))
    assert both.suggestions(1.0) == {"payments": expected}
    assert expected.drain == 2000 / 150


def test_a_member_without_partitions_adds_nothing() -> None:
    assert board(signal(partitions=())).suggestions(0.0) == {}
    [one] = board(signal(lag=1000), signal(member="idle", partitions=())).suggestions(0.0).values()
    assert (one.members, one.capacity) == (1, 100.0)


def test_the_slowest_group_wins_and_topics_do_not_mix() -> None:
    said = board(
        signal(group="quick", lag=2000, capacity=1000.0),
        signal(group="slow", lag=200, capacity=10.0),
        signal(group="idle", lag=0, capacity=1.0),
        signal(topic="other", group="idle", lag=0),
    ).suggestions(0.0)
    assert (said["payments"].group, said["other"].group) == ("slow", "idle")
    assert said["other"].rate is None


def test_a_word_ends_by_time_and_by_being_taken_back() -> None:
    both = board(signal(group="slow", lag=5000), signal(group="other", lag=1000))
    assert both.suggestions(9.9)["payments"].group == "slow"
    both.take(signal(group="other", lag=1000, at=1009.0, expires=1019.0), 9.0)
    assert both.suggestions(10.0)["payments"].group == "other"
    both.forget(signal(group="other").key)
    assert both.suggestions(10.0) == {}
    both.forget(b"never seen")


def test_reading_the_same_word_again_does_not_lengthen_it() -> None:
    one = board(signal())
    one.take(signal(), 9.0)
    assert one.suggestions(9.5)
    assert not one.suggestions(10.5)


def test_a_consumer_whose_clock_is_wrong_is_heard() -> None:
    assert board(signal(at=5.0, expires=15.0), now=1e9).suggestions(1e9 + 9)


@settings(max_examples=50, deadline=None)
@given(st.lists(signals, max_size=10), st.randoms(use_true_random=False))
def test_order_does_not_matter_and_nobody_waits_for_a_group_that_is_not_behind(
    said: list[FlowSignal], random: Random
) -> None:
    latest = list({one.key: one for one in said}.values())
    shuffled = random.sample(latest, len(latest))
    first, second = board(*latest).suggestions(0.5), board(*shuffled).suggestions(0.5)
    assert {t: (s.group, s.members) for t, s in first.items()} == {
        t: (s.group, s.members) for t, s in second.items()
    }
    for topic, mine in first.items():
        if mine.rate is not None:
            assert any(one.rate is not None for one in latest if one.topic == topic)
