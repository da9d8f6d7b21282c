"""Read your writes: whoever wrote an event does not see the world from before it.

A write gives a `Token`; a later read asks a `Reader` whether the read model has it. The stores that answer
are `doublegate.consistency.ledger` and `doublegate.consistency.inbox`; `docs/read-your-writes.md` is the
way through.
"""

from doublegate.consistency.decision import Cause, Decision, Source
from doublegate.consistency.overlay import Overlay, Refusal
from doublegate.consistency.positions import AppliedPositions, PositionsUnavailable, Progress
from doublegate.consistency.reader import Reader
from doublegate.consistency.token import Token, Tokens, UnusableToken
from doublegate.consistency.web import Consistency, ConsistencyMiddleware

__all__ = [
    "AppliedPositions",
    "Cause",
    "Consistency",
    "ConsistencyMiddleware",
    "Decision",
    "Overlay",
    "PositionsUnavailable",
    "Progress",
    "Reader",
    "Refusal",
    "Source",
    "Token",
    "Tokens",
    "UnusableToken",
]
