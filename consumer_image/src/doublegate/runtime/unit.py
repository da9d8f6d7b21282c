"""The seam between the engine and what runs handlers: units of work, and whom an executor talks to."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from doublegate.runtime.record import Record

if TYPE_CHECKING:
    from doublegate.runtime.event import Event
    from doublegate.runtime.outcome import Attempt
    from doublegate.telemetry.spans import ProcessSpan

__all__ = ["Child", "Decode", "Executor", "Lease", "Terms", "Unit"]


@dataclass(slots=True, eq=False)
class Unit:
    """Records handed over together, of one lane or several, in the order that must be kept within a lane.

    Attributes:
        records: what is handed over.
        seconds: what ended calls of the handler took together.
        events: how many events they were.
    """

    records: list[Record]
    seconds: float = 0.0
    events: int = 0


class Executor(Protocol):
    """Runs handlers, away from the engine's thread."""

    def submit(self, unit: Unit) -> None:
        """Take a unit; never blocks. The engine calls it from its own thread only."""

    def abandoned(self) -> int:
        """Handlers that outlived their timeout and still run."""

    def stop(self, timeout: float) -> None:
        """Start nothing more, end the workers within `timeout` seconds; what wasn't started has no result."""


class Lease(Protocol):
    """The owner's right to start effects."""

    def alive(self) -> bool:
        """Asked immediately before each effect starts."""


Decode = Callable[[bytes], Any]
"""Turns a payload into a record or model; raises the errors of `doublegate.schemas.errors`."""


class Child(NamedTuple):
    """An event that a handler produced.

    Attributes:
        id: digest of (group, parent's id, index): a second attempt produces the same.
        topic: where to.
        value: as the handler gave it.
        key: as the handler gave it.
        parent: the event that caused it.
    """

    id: str
    topic: str
    value: Any
    key: bytes | None
    parent: "Event[Any]"


def _no_children(children: Sequence[Child]) -> None:
    raise RuntimeError(f"ctx.produce: no producer is configured ({len(children)} events)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What an executor is given by the engine.

    Attributes:
        scope: whose "once" it is, the consumer group.
        owner: this process, as the ledger knows it, in hexadecimal digits.
        topic: the source topic, which events name even when they come over the replay topic.
        timeout: `handler.timeout`, seconds.
        idempotent: `handler.idempotent`: an unhandled exception is NotDone.
        lease: asked immediately before each effect starts.
        report: a unit ended; every record that was started, or refused, has its `result`. Called once per
            unit, on a worker's or the watchdog's thread.
        late: a handler that was given up has ended after all; called for each of its records.
        decode: turns payloads into records; never called for handlers that take bytes.
        produce: sends the events of `ctx.produce`, blocks until they are acknowledged.
        trace: starts the `process` span of a sampled record; None for the others. The executor ends it when
            the attempt does.
    """

    scope: str
    owner: str
    topic: str
    timeout: float
    idempotent: bool = False
    lease: Lease
    report: Callable[[Unit], None]
    late: "Callable[[Record, Attempt], None]"
    decode: Decode | None = None
    produce: Callable[[Sequence[Child]], None] = _no_children
    trace: "Callable[[Record], ProcessSpan | None] | None" = None
