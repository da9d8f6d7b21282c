"""Waiting for a server that was started: it serves, dies, or runs out of time."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from doublegate.local.errors import LocalStackError, ServiceDidNotStart

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable
    from pathlib import Path

    from doublegate.local.process import Handle
    from doublegate.local.servers.base import Server, Site

POLL_SECONDS = 0.2


class StartAbortedError(LocalStackError):
    """Another server's failure, or the user, ended the start."""


def wait_ready(server: Server, site: Site, handle: Handle, abort: threading.Event) -> None:
    """Return when one of the stack's servers serves; see `wait_serving`."""
    wait_serving(
        site.service,
        lambda: server.check(site),
        server.start_seconds,
        handle=handle,
        log=site.log,
        abort=abort,
    )


def wait_serving(
    name: str, check: Callable[[], None], seconds: float, *, handle: Handle, log: Path, abort: threading.Event
) -> None:
    """Return when a process serves.

    Args:
        name: What messages call it.
        check: Returns when it serves, raises whatever happens when it does not.
        seconds: How long it may take.
        handle: Its process.
        log: Whose last lines an error shows.
        abort: Ends the waiting.

    Raises:
        ServiceDidNotStart: With its last log lines.
        StartAbortedError: When `abort` is set meanwhile.
    """
    deadline = time.monotonic() + seconds
    while True:
        failure = _failure(check)
        if handle.process() is None:  # asked second: what answered may have been another process
            raise ServiceDidNotStart(name, "its process ended", log)
        if failure is None:
            return
        if time.monotonic() > deadline:
            raise ServiceDidNotStart(name, f"it did not serve within {seconds:.0f} s ({failure})", log)
        if abort.wait(POLL_SECONDS):
            raise StartAbortedError(f"the start of {name} was aborted")


def _failure(check: Callable[[], None]) -> str | None:
    try:
        check()
    except Exception as error:  # noqa: BLE001 - each client raises its own kinds; all mean: not yet
        return str(error).strip() or repr(error)
    return None
