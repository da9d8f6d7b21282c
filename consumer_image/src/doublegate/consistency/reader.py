"""`Reader`: asks the store of positions until a read is decided; its troubles never reach a person."""

import asyncio
import logging
import time
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Final

from doublegate.consistency.decision import Cause, Decision, Source, Wait
from doublegate.consistency.positions import (
    STORE_SECONDS,
    AppliedPositions,
    PositionsUnavailable,
    Progress,
)
from doublegate.consistency.token import Token
from doublegate.telemetry.quiet import calm

__all__ = ["Reader"]

log = logging.getLogger(__name__)

_THREADS: Final = 8
_REST_SECONDS: Final = 1.0
"""A store that is away is not asked for so long: its readers would queue up behind it."""
_AWAY: Final = Decision(Source.PRIMARY, Cause.AWAY)
_NO_TOKEN: Final = Decision(Source.REPLICA, Cause.NO_TOKEN)


class Reader:
    """Decides reads for one group's read model; one per process, thread-safe.

    Args:
        positions: how far the group is.
    """

    def __init__(self, positions: AppliedPositions) -> None:
        calm([__name__])
        self._positions = positions
        # Its own threads, so that a store that hangs is given up in time and takes no one else's.
        self._threads = ThreadPoolExecutor(_THREADS, "consistency")
        self._rest_until = float("-inf")

    def read(self, *tokens: Token, timeout: float) -> Decision:
        """Where to read: waits for the read model up to `timeout` seconds, for a mute store one second."""
        if not tokens:
            return _NO_TOKEN
        wait = Wait(timeout, time.monotonic())
        while True:
            if self._resting:
                return _AWAY
            try:
                seen = self._ask(tokens).result(STORE_SECONDS)
            except (PositionsUnavailable, TimeoutError) as error:
                return self._away(error)
            step = wait.saw(dict(zip(tokens, seen, strict=True)), time.monotonic())
            if isinstance(step, Decision):
                return step
            time.sleep(step)

    async def read_async(self, *tokens: Token, timeout: float) -> Decision:  # noqa: ASYNC109 - not a deadline
        """`read` on an event loop."""
        if not tokens:
            return _NO_TOKEN
        wait = Wait(timeout, time.monotonic())
        while True:
            if self._resting:
                return _AWAY
            try:
                seen = await asyncio.wait_for(asyncio.wrap_future(self._ask(tokens)), STORE_SECONDS)
            except (PositionsUnavailable, TimeoutError) as error:
                return self._away(error)
            step = wait.saw(dict(zip(tokens, seen, strict=True)), time.monotonic())
            if isinstance(step, Decision):
                return step
            await asyncio.sleep(step)

    def close(self) -> None:
        """End the threads that are idle; the positions are the caller's to close."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _ask(self, tokens: Sequence[Token]) -> Future[list[Progress]]:
        return self._threads.submit(self._positions.progress, tokens)

    @property
    def _resting(self) -> bool:
        return time.monotonic() < self._rest_until

    def _away(self, error: Exception) -> Decision:
        self._rest_until = time.monotonic() + _REST_SECONDS
        why = str(error) or f"no answer within {STORE_SECONDS:g} s"
        log.warning("applied positions are not known, reads with a token go to the primary: %s", why)
        return _AWAY
