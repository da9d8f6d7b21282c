"""Doublegate: Kafka consumers whose side effects happen once.

A handler imports what it needs from here: `Event`, `Context`, and `Retry`, `Reject` or `Unknown` to say how
an attempt ended. `Producer` publishes events with an id and a trace.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from doublegate.producer import Producer
    from doublegate.runtime.event import Context, Event
    from doublegate.runtime.outcome import Reject, Retry, Unknown

__all__ = ["Context", "Event", "Producer", "Reject", "Retry", "Unknown"]

# Loaded when asked for: the operator imports `doublegate.contract` alone, without Kafka's client behind it.
_HOMES = {
    "Context": "doublegate.runtime.event",
    "Event": "doublegate.runtime.event",
    "Producer": "doublegate.producer",
    "Reject": "doublegate.runtime.outcome",
    "Retry": "doublegate.runtime.outcome",
    "Unknown": "doublegate.runtime.outcome",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
