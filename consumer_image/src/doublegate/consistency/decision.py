"""Where a read goes: the decision and how long to wait for it, without any I/O. `Reader` carries it out."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Final

from doublegate.consistency.positions import Progress
from doublegate.consistency.token import Token

__all__ = ["Cause", "Decision", "Source", "Wait"]

_FIRST_PAUSE: Final = 0.005
"""About as long as an idle consumer needs for one event."""
_LONGEST_PAUSE: Final = 0.1


class Source(Enum):
    """What to read."""

    REPLICA = auto()
    PRIMARY = auto()


class Cause(Enum):
    """Why."""

    NO_TOKEN = auto()
    """The reader wrote nothing that is known here."""
    APPLIED = auto()
    """The read model has every write."""
    REFUSED = auto()
    """A write is a dead letter: waiting does not help, and the read model is without it."""
    TIMEOUT = auto()
    """The read model was too slow."""
    AWAY = auto()
    """The store of positions does not answer, so nobody knows."""


@dataclass(frozen=True, slots=True)
class Decision:
    """Where to read, and why.

    Attributes:
        source: what to read.
        cause: why.
        progress: of each token, as it was seen last; empty where the store did not answer.
    """

    source: Source
    cause: Cause
    progress: Mapping[Token, Progress] = field(default_factory=dict)


class Wait:
    """The way of one read to its decision.

    Args:
        timeout: seconds that the read may wait.
        now: monotonic seconds.
    """

    def __init__(self, timeout: float, now: float) -> None:
        self._end = now + timeout
        self._pause = _FIRST_PAUSE

    def saw(self, progress: Mapping[Token, Progress], now: float) -> Decision | float:
        """The decision, or the seconds to sleep before asking again; the last question is at the end."""
        seen = set(progress.values())
        if Progress.REFUSED in seen:
            return Decision(Source.PRIMARY, Cause.REFUSED, progress)
        if Progress.PENDING not in seen:
            return Decision(Source.REPLICA, Cause.APPLIED, progress)
        left = self._end - now
        if left <= 0:
            return Decision(Source.PRIMARY, Cause.TIMEOUT, progress)
        pause, self._pause = self._pause, min(self._pause * 2, _LONGEST_PAUSE)
        return min(pause, left)
