"""Logs: JSON for machines, plain lines on a terminal; every line about an event carries its ids.

Duplicates are ordinary here, 13,000 a second where 90% of the events are copies: they are counted, and logged
as one line per gate and interval with an example.
"""

import logging
import sys
import time
from collections.abc import Callable, MutableMapping
from threading import Lock
from typing import Any, TextIO

from opentelemetry import trace
from pythonjsonlogger.json import JsonFormatter

__all__ = ["DuplicateLog", "configure", "event_logger"]

_PLAIN = "%(asctime)s %(levelname)-7s %(name)s: %(message)s%(about)s"
_CHATTY = ("httpx", "httpx2", "urllib3", "asyncio")
"""Clients that tell of every request at INFO."""


class _Ids(logging.Filter):
    """Gives every record `event_id` and `trace_id`, the latter from the current span when nobody said."""

    def filter(self, record: logging.LogRecord) -> bool:
        event_id = getattr(record, "event_id", "")
        trace_id = getattr(record, "trace_id", "")
        if not trace_id and (context := trace.get_current_span().get_span_context()).is_valid:
            trace_id = f"{context.trace_id:032x}"
        record.event_id = event_id
        record.trace_id = trace_id
        said = [
            f"{name}={value}" for name, value in (("event_id", event_id), ("trace_id", trace_id)) if value
        ]
        record.about = f" [{' '.join(said)}]" if said else ""
        return True


class _Json(JsonFormatter):
    """One object per line; ids only where there are some."""

    def process_log_record(self, log_data: dict[str, Any]) -> dict[str, Any]:
        log_data.pop("about", None)
        return {name: value for name, value in log_data.items() if value not in ("", None)}


def configure(level: str = "INFO", *, json: bool | None = None, stream: TextIO | None = None) -> None:
    """Set the root logger up; what was set before is replaced.

    Args:
        level: the least level that is written.
        json: one JSON object per line; None means unless `stream` is a terminal.
        stream: where to; stderr by default.
    """
    target = stream or sys.stderr
    handler = logging.StreamHandler(target)
    handler.addFilter(_Ids())
    if json if json is not None else not target.isatty():
        handler.setFormatter(
            _Json(
                "{levelname}{name}{message}{event_id}{trace_id}",
                style="{",
                rename_fields={"levelname": "level", "name": "logger"},
                timestamp=True,
            )
        )
    else:
        handler.setFormatter(logging.Formatter(_PLAIN))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    for name in _CHATTY:
        logging.getLogger(name).setLevel(max(logging.WARNING, root.level))


class _Adapter(logging.LoggerAdapter[logging.Logger]):
    """Adds the event's ids, and keeps what the caller adds."""

    def process(self, msg: Any, kwargs: MutableMapping[str, Any]) -> tuple[Any, MutableMapping[str, Any]]:
        kwargs["extra"] = {**(self.extra or {}), **(kwargs.get("extra") or {})}
        return msg, kwargs


def event_logger(
    logger: logging.Logger, event_id: str, trace_id: str = ""
) -> logging.LoggerAdapter[logging.Logger]:
    """A logger whose every line carries the event's id, and the trace's if it is known."""
    return _Adapter(logger, {"event_id": event_id, "trace_id": trace_id})


class DuplicateLog:
    """At most one line per gate and interval, however many duplicates there are.

    Args:
        logger: where to.
        interval: seconds between two lines about one gate.
        clock: monotonic seconds; a test's own.
    """

    def __init__(
        self, logger: logging.Logger, interval: float = 10.0, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._logger = logger
        self._interval = interval
        self._clock = clock
        self._lock = Lock()
        self._waiting: dict[str, tuple[int, str]] = {}
        self._next: dict[str, float] = {}

    def add(self, gate: str, n: int, example: str) -> None:
        """Count `n` duplicates that `gate` rejected; `example` is the id of one of them."""
        with self._lock:
            self._waiting[gate] = (self._waiting.get(gate, (0, ""))[0] + n, example)
        self._write(gate)

    def tick(self) -> None:
        """Write what is due; call it now and then, or the last duplicates before a lull go unsaid."""
        for gate in list(self._waiting):
            self._write(gate)

    def flush(self) -> None:
        """Write all that is counted, due or not."""
        self._next.clear()
        self.tick()

    def _write(self, gate: str) -> None:
        with self._lock:
            now = self._clock()
            if now < self._next.get(gate, now) or gate not in self._waiting:
                return
            n, example = self._waiting.pop(gate)
            self._next[gate] = now + self._interval
        self._logger.info(
            "%d duplicate%s rejected by gate %s",
            n,
            "" if n == 1 else "s",
            gate,
            extra={"event_id": example, "gate": gate, "duplicates": n},
        )
