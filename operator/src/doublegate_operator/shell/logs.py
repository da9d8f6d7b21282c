"""Logs: one JSON object per line in a pod, plain lines on a terminal; a failure is told once."""

from __future__ import annotations

import logging
import sys
from collections.abc import Hashable
from typing import TextIO

from httpx2 import HTTPError
from pythonjsonlogger.json import JsonFormatter

from doublegate.contract.errors import DoublegateError

__all__ = ["Once", "configure"]

_CHATTY = ("kopf", "httpx", "httpx2", "httpcore", "httpcore2", "asyncio", "aiohttp", "lightkube")
"""Clients that tell of every request at INFO."""
_EXPECTED = (HTTPError, OSError, TimeoutError, DoublegateError)
"""What happens while the API server is away, or refuses."""


def configure(level: str, stream: TextIO | None = None) -> None:
    """Set the root logger up; what was set before is replaced."""
    target = stream or sys.stderr
    handler = logging.StreamHandler(target)
    if target.isatty():
        handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)-7s %(name)s: %(message)s"))
    else:
        names = {"levelname": "level", "name": "logger"}
        handler.setFormatter(
            JsonFormatter("{levelname}{name}{message}", style="{", rename_fields=names, timestamp=True)
        )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    for name in _CHATTY:
        logging.getLogger(name).setLevel(max(logging.WARNING, root.level))
    # It warns that it does not handle signals, which is not its task here.
    logging.getLogger("kopf._core.reactor.running").setLevel(logging.ERROR)


class Once:
    """Tells of a failure when it comes, when it becomes another one, and when it is over.

    Args:
        logger: where to.
    """

    def __init__(self, logger: logging.Logger) -> None:
        self._logger = logger
        self._known: dict[Hashable, str] = {}

    def failure(self, about: Hashable, text: str, *values: object, error: Exception) -> None:
        """Something failed with `error`; its trace is shown when nobody expects such a one."""
        said = f"{type(error).__name__}: {error}"
        if self._new(about, said):
            trace = None if isinstance(error, _EXPECTED) else error
            self._logger.warning("%s: %s", text % values, said, exc_info=trace)

    def warning(self, about: Hashable, text: str) -> None:
        """Something is not as it should be."""
        if self._new(about, text):
            self._logger.warning("%s", text)

    def over(self, about: Hashable) -> None:
        """It is as it should be."""
        if self._known.pop(about, None) is not None:
            self._logger.info("in order again: %s", about)

    def _new(self, about: Hashable, text: str) -> bool:
        if self._known.get(about) == text:
            return False
        self._known[about] = text
        return True
