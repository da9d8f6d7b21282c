"""Steps of a member at which it can be told to kill itself, and when an effect started.

`FAULTS_POINT=name:n` kills the process with SIGKILL when it passes the point for the n-th time. The points
are put into the code from outside, so that what is tested is what is shipped.
"""

from __future__ import annotations

import asyncio
import os
import signal
import threading
import time
from collections import Counter
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

POINTS = (
    "after_claim",
    "in_handler",
    "after_effect",
    "before_done",
    "after_done",
    "draining",
    "dlq_produce",
    "dlq_acked",
)
_point, _, _count = os.environ.get("FAULTS_POINT", "").partition(":")
_passed: Counter[str] = Counter()
_lock = threading.Lock()
_local = threading.local()


def at(point: str) -> None:
    """The process is at this point."""
    if point == _point:
        with _lock:
            _passed[point] += 1
            if _passed[point] == int(_count):
                os.kill(os.getpid(), signal.SIGKILL)


def started() -> float:
    """When the lease was looked at for the effect that this thread performs: from then on it has started."""
    return getattr(_local, "started", None) or time.monotonic()


async def sleep(seconds: float) -> None:
    """For handlers on the loop."""
    await asyncio.sleep(seconds)


def install() -> None:
    """Put the points into the code."""
    from doublegate.runtime import books, claims, deadletters, letters, ownership, session, state

    _after(claims.Claims, "answered", lambda asked, *_: asked, "after_claim")
    _before(books.Books, "complete", "before_done")
    _after(state.State, "done", lambda records: records, "after_done")
    _after(ownership.Ownership, "drain", lambda *_: True, "draining")
    _after(deadletters.DeadLetterWriter, "write", lambda *_: True, "dlq_produce")
    _before(letters.Letters, "_acknowledged", "dlq_acked")

    alive = session.Session.alive

    def noted(self: Any) -> bool:
        _local.started = time.monotonic()
        return alive(self)

    session.Session.alive = noted  # type: ignore[method-assign]


def _after(owner: Any, name: str, when: Callable[..., Any], point: str) -> None:
    original = getattr(owner, name)

    def wrapped(self: Any, *args: Any, **kwargs: Any) -> Any:
        result = original(self, *args, **kwargs)
        if when(*args):
            at(point)
        return result

    setattr(owner, name, wrapped)


def _before(owner: Any, name: str, point: str) -> None:
    original = getattr(owner, name)

    def wrapped(self: Any, *args: Any, **kwargs: Any) -> Any:
        args = tuple(list(arg) if hasattr(arg, "__next__") else arg for arg in args)
        if args and args[0]:
            at(point)
        return original(self, *args, **kwargs)

    setattr(owner, name, wrapped)
