"""How a producer keeps to what the consumers of a topic bear: a token bucket per topic.

No I/O: the follower (`producer_follow`) brings the suggestions, `Producer` asks before every event.
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from threading import Lock

from doublegate.contract.flow_board import Suggestion
from doublegate.contract.token_bucket import TokenBucket

__all__ = ["FlowState", "Throttle"]


@dataclass(frozen=True, slots=True)
class FlowState:
    """What a producer knows of a topic's consumers, and what that means to it.

    Attributes:
        suggestion: of the slowest group; None when no group publishes, or none can be heard.
        retry_after: seconds until the next event may go; 0 where it may go now.
        over: events that came faster than suggested: those had to wait or were refused, or, with
            `flow="observe"`, would have been.
        ignored: records on the control topic that were no signals.
    """

    suggestion: Suggestion | None
    retry_after: float
    over: int
    ignored: int


class _Lane:
    """One topic's bucket."""

    def __init__(self) -> None:
        self.bucket = TokenBucket()
        self.over = 0
        self.lock = Lock()


class Throttle:
    """Safe to use from several threads.

    Args:
        enforce: hold events back; otherwise only count.
    """

    def __init__(self, *, enforce: bool) -> None:
        self._enforce = enforce
        self._suggestions: Mapping[str, Suggestion] = {}
        self._lanes: dict[str, _Lane] = {}
        self._ignored = 0

    def told(self, suggestions: Mapping[str, Suggestion], ignored: int) -> None:
        """What holds from now on, for all topics."""
        self._suggestions, self._ignored = suggestions, ignored

    def take(self, topic: str, *, again: bool) -> float:
        """Let one event pass; else the seconds after which to ask for it again.

        Args:
            topic: where the event goes.
            again: this event was asked for before.
        """
        said = self._suggestions.get(topic)
        if said is None or said.rate is None:
            return 0.0
        lane = self._lane(topic)
        with lane.lock:
            wait = lane.bucket.take(said.rate, time.monotonic())
            lane.over += bool(wait) and not again
        return wait if self._enforce else 0.0

    def state(self, topic: str) -> FlowState:
        """What is known of a topic now."""
        said, lane, wait = self._suggestions.get(topic), self._lane(topic), 0.0
        if self._enforce and said is not None and said.rate is not None:
            with lane.lock:
                wait = lane.bucket.wait(said.rate, time.monotonic())
        return FlowState(said, wait, lane.over, self._ignored)

    def _lane(self, topic: str) -> _Lane:
        lane = self._lanes.get(topic)
        return lane if lane is not None else self._lanes.setdefault(topic, _Lane())
