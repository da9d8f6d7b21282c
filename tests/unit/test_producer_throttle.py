"""What a producer does with what it is told; without servers."""

from __future__ import annotations

import time

import pytest

from doublegate.contract.flow_board import Suggestion
from doublegate.producer import Producer
from doublegate.producer_throttle import Throttle


def suggestion(rate: float | None) -> Suggestion:
    return Suggestion("t", "g", 1, 1000, 100.0, rate)


def test_what_nobody_asked_for_is_not_held_back() -> None:
    throttle = Throttle(enforce=True)
    throttle.told({"t": suggestion(None)}, 0)
    assert [throttle.take(topic, again=False) for topic in ("t", "u") for _ in range(1000)] == [0.0] * 2000
    assert throttle.state("u").suggestion is None
    assert throttle.state("t").suggestion == suggestion(None)


def test_a_followed_topic_is_held_to_its_rate_and_the_next_word_counts_at_once() -> None:
    throttle = Throttle(enforce=True)
    throttle.told({"t": suggestion(0.5)}, 3)
    assert throttle.take("t", again=False) == 0
    wait = throttle.take("t", again=False)
    assert 1.5 < wait <= 2.0
    assert throttle.take("t", again=True) <= wait
    state = throttle.state("t")
    assert (state.over, state.ignored) == (1, 3)
    assert 0 < state.retry_after <= 2.0
    throttle.told({}, 3)
    assert throttle.take("t", again=True) == 0
    assert throttle.state("t").retry_after == 0


def test_an_observed_topic_is_counted_only() -> None:
    throttle = Throttle(enforce=False)
    throttle.told({"t": suggestion(0.5)}, 0)
    assert [throttle.take("t", again=False) for _ in range(10)] == [0.0] * 10
    assert throttle.state("t").over == 9
    assert throttle.state("t").retry_after == 0


def test_two_threads_worth_of_calls_share_a_topics_rate() -> None:
    throttle = Throttle(enforce=True)
    throttle.told({"t": suggestion(1000.0)}, 0)
    start, passed = time.monotonic(), 0
    while time.monotonic() < start + 0.5:
        passed += throttle.take("t", again=True) == 0
    assert passed <= 100 + 1000 * (time.monotonic() - start) + 1


def test_a_flow_that_is_none_is_refused() -> None:
    with pytest.raises(ValueError, match="follow, observe, off"):
        Producer({"bootstrap.servers": "localhost:1"}, flow="on")  # type: ignore[arg-type]
