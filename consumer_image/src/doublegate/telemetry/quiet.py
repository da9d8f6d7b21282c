"""One log line a minute where a thing away would say the same thing at every batch."""

import logging
import time
from collections.abc import Callable, Iterable

__all__ = ["OncePer", "calm"]


class OncePer(logging.Filter):
    """Lets one record through per interval and says how many it held back.

    Args:
        seconds: the interval.
        clock: monotonic seconds; a test's own.
    """

    def __init__(self, seconds: float = 60.0, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._seconds = seconds
        self._clock = clock
        self._next = float("-inf")
        self._held = 0

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether `record` is the one of its interval."""
        now = self._clock()
        if now < self._next:
            self._held += 1
            return False
        self._next = now + self._seconds
        if self._held:
            record.msg = f"{record.getMessage()} ({self._held} like it held back)"
            record.args = None
            self._held = 0
        return True


_EXPORTERS = (
    "opentelemetry.exporter.otlp.proto.http.trace_exporter",
    "opentelemetry.exporter.otlp.proto.http.metric_exporter",
    "opentelemetry.sdk._shared_internal",
    "opentelemetry.sdk.metrics._internal.export",
)


def calm(loggers: Iterable[str] = _EXPORTERS) -> None:
    """Hold the exporters to one line a minute each: a collector away must not flood the log."""
    for name in loggers:
        logger = logging.getLogger(name)
        if not any(isinstance(f, OncePer) for f in logger.filters):
            logger.addFilter(OncePer())
