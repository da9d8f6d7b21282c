import time
from contextlib import nullcontext

import pytest

from doublegate.demo import follow
from doublegate.demo.errors import DeadlineExceeded
from doublegate.demo.follow import Follower
from doublegate.demo.watch import Progress


class Cast:
    """Stands for the processes."""

    @staticmethod
    def published():
        return {"sent": 7}

    @staticmethod
    def describe():
        return "consumer-2, log x: {}"


class View:
    """Shows nothing."""

    following = staticmethod(nullcontext)


class Still(Follower):
    """One whose group makes no progress, or a step at each look."""

    def __init__(self, *, step, seconds):
        self._cast, self._view = Cast(), View()
        self._ends = time.monotonic() + seconds
        self._step, self._done = step, 0

    def _look(self, *, observer):  # noqa: ARG002 - the real one asks for either group
        self._done += self._step
        return Progress(self._done, 3)


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(follow, "TICK_SECONDS", 0.01)
    monkeypatch.setattr(follow, "STALL_SECONDS", 0.2)


def test_it_returns_what_was_reached():
    assert Still(step=1, seconds=60).until("it", lambda now: now.done >= 5) == Progress(5, 3)


def test_a_stall_ends_it_long_before_the_deadline_and_says_what_the_consumers_say():
    with pytest.raises(DeadlineExceeded, match="it did not come, nothing moves any more; lag 3\nconsumer-2"):
        Still(step=0, seconds=60).until("it", lambda _: False)


def test_a_run_that_moves_and_never_arrives_ends_at_the_deadline():
    with pytest.raises(DeadlineExceeded, match="the demo's time is over"):
        Still(step=1, seconds=0.5).until("it", lambda _: False)
