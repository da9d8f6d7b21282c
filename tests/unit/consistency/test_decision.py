"""Where a read goes, on made-up time, and what a `Reader` does when its store fails."""

import asyncio
import logging
import threading
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from doublegate.consistency import (
    Cause,
    Decision,
    PositionsUnavailable,
    Progress,
    Reader,
    Source,
    Token,
)
from doublegate.consistency.decision import Wait

PENDING, APPLIED, REFUSED = Progress.PENDING, Progress.APPLIED, Progress.REFUSED
ONE, TWO = Token("t", 0, 1, "a"), Token("t", 1, 5, "b")
progress = st.sampled_from(Progress)


@given(st.floats(0, 5), st.lists(st.tuples(progress, progress, st.floats(0, 0.5)), min_size=1, max_size=60))
def test_a_wait_ends_in_time_and_is_the_replica_only_when_all_is_applied(timeout, answers):
    now = 100.0
    wait = Wait(timeout, now)
    for one, two, took in answers:
        now += took
        step = wait.saw({ONE: one, TWO: two}, now)
        if isinstance(step, Decision):
            assert (step.source is Source.REPLICA) == (one is two is APPLIED)
            if step.cause is Cause.TIMEOUT:
                assert now >= 100.0 + timeout
            assert step.progress == {ONE: one, TWO: two}
            return
        assert PENDING in (one, two)
        assert 0 < step <= 0.1
        assert now + step <= 100.0 + timeout + 1e-9
        now += step


def test_no_waiting_asks_once():
    assert Wait(0, 1.0).saw({ONE: PENDING}, 1.0) == Decision(Source.PRIMARY, Cause.TIMEOUT, {ONE: PENDING})


class Store:
    """Says what the test says, or raises it."""

    def __init__(self, *answers):
        self.answers = list(answers)
        self.asked = 0

    def progress(self, tokens):
        self.asked += 1
        answer = self.answers[0] if len(self.answers) == 1 else self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        if isinstance(answer, threading.Event):
            answer.wait(20)
            return [APPLIED] * len(tokens)
        return [answer] * len(tokens)


def read(reader, *tokens, timeout, on_loop):
    if on_loop:
        return asyncio.run(reader.read_async(*tokens, timeout=timeout))
    return reader.read(*tokens, timeout=timeout)


both = pytest.mark.parametrize("on_loop", [False, True], ids=["sync", "async"])


@both
def test_the_replica_without_a_token_and_once_it_is_applied(on_loop):
    store = Store(PENDING, PENDING, APPLIED)
    reader = Reader(store)
    assert read(reader, timeout=1, on_loop=on_loop).cause is Cause.NO_TOKEN
    assert store.asked == 0
    found = read(reader, ONE, TWO, timeout=5, on_loop=on_loop)
    assert (found.source, found.cause, store.asked) == (Source.REPLICA, Cause.APPLIED, 3)


@both
@pytest.mark.parametrize(("seen", "cause"), [(PENDING, Cause.TIMEOUT), (REFUSED, Cause.REFUSED)])
def test_the_primary_when_it_is_slow_or_refused(on_loop, seen, cause):
    found = read(Reader(Store(seen)), ONE, timeout=0.05, on_loop=on_loop)
    assert found == Decision(Source.PRIMARY, cause, {ONE: seen})


@both
def test_a_store_that_fails_is_the_primary_and_is_left_alone_for_a_while(on_loop, caplog, monkeypatch):
    store = Store(PositionsUnavailable("valkey is gone"), APPLIED)
    reader = Reader(store)
    with caplog.at_level(logging.WARNING):
        assert read(reader, ONE, timeout=5, on_loop=on_loop).cause is Cause.AWAY
    for _ in range(3):
        assert read(reader, ONE, timeout=5, on_loop=on_loop).source is Source.PRIMARY
    assert store.asked == 1
    assert read(reader, timeout=5, on_loop=on_loop).cause is Cause.NO_TOKEN
    real = time.monotonic
    monkeypatch.setattr("doublegate.consistency.reader.time.monotonic", lambda: real() + 1.1)
    assert read(reader, ONE, timeout=5, on_loop=on_loop).cause is Cause.APPLIED


@both
def test_a_store_that_hangs_costs_a_second(on_loop):
    free = threading.Event()
    reader = Reader(Store(free))
    start = time.monotonic()
    try:
        assert read(reader, ONE, timeout=0, on_loop=on_loop).cause is Cause.AWAY
        assert 0.9 < time.monotonic() - start < 5
    finally:
        free.set()
        reader.close()
