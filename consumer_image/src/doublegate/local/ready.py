"""Waiting for a server that was started: it serves, dies, or runs out of time."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from doublegate.local.errors import LocalStackError, ServiceDidNotStart

if TYPE_CHECKING:
    import threading

    from doublegate.local.process import Handle
    from doublegate.local.servers.base import Server, Site

POLL_SECONDS = 0.2


class StartAbortedError(LocalStackError):
    """Another server's failure, or the user, ended the start."""


def wait_ready(server: Server, site: Site, handle: Handle, abort: threading.Event) -> None:
    """Return when the server serves.

    Raises:
        ServiceDidNotStart: With its last log lines.
        StartAbortedError: When `abort` is set meanwhile.
    """
    deadline = time.monotonic() + server.start_seconds
    while True:
        failure = _failure(server, site)
        if handle.process() is None:  # asked second: what answered may have been another process
            raise ServiceDidNotStart(site.service, "its process ended", site.log)
        if failure is None:
            return
        if time.monotonic() > deadline:
            waited = f"it did not serve within {server.start_seconds:.0f} s ({failure})"
            raise ServiceDidNotStart(site.service, waited, site.log)
        if abort.wait(POLL_SECONDS):
            raise StartAbortedError(f"the start of {site.service} was aborted")


def _failure(server: Server, site: Site) -> str | None:
    try:
        server.check(site)
    except Exception as error:  # noqa: BLE001 - each client raises its own kinds; all mean: not yet
        return str(error).strip() or repr(error)
    return None
