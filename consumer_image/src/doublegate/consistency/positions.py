"""The port that readers ask: how far one consumer group is with certain events.

`doublegate.consistency.ledger` and `doublegate.consistency.inbox` are its two stores.
"""

from collections.abc import Sequence
from enum import Enum, auto
from typing import Final, Protocol

from doublegate.consistency.token import Token
from doublegate.contract.errors import DoublegateError

__all__ = ["STORE_SECONDS", "AppliedPositions", "PositionsUnavailable", "Progress"]

STORE_SECONDS: Final = 1.0
"""How long a store may take before it counts as away: a person waits for the page."""


class Progress(Enum):
    """How far the group is with one event."""

    PENDING = auto()
    """Not performed yet, or nobody knows of it."""
    APPLIED = auto()
    """Its effect is there."""
    REFUSED = auto()
    """It became a dead letter: unless somebody replays it, its effect never comes."""


class PositionsUnavailable(DoublegateError):
    """The store does not answer now: read the primary, ask again later."""


class AppliedPositions(Protocol):
    """How far one group is; thread-safe."""

    def progress(self, tokens: Sequence[Token]) -> list[Progress]:
        """Of each token, in their order; APPLIED is never said too early.

        Raises:
            PositionsUnavailable: the store does not answer.
        """
        ...
