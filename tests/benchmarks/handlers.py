"""The handlers that the runtime's cases run: they cost as little as their kind can."""

from __future__ import annotations

from pydantic import BaseModel

from doublegate import Context, Event

__all__ = ["TABLE", "Flight", "ignore", "ignore_typed", "write_rows"]

TABLE = "bench_effects"


class Flight(BaseModel):
    """The event, typed."""

    sequence: int
    carrier: str
    number: int
    tail: str | None
    origin: str
    destination: str
    scheduled: int
    departure_delay: int | None
    distance: int
    remark: str


def ignore(event: Event[bytes]) -> None:
    """No effect, nothing decoded."""


def ignore_typed(event: Event[Flight]) -> None:
    """No effect; the payload was decoded and validated."""


def write_rows(events: list[Event[bytes]], context: Context) -> None:
    """One row an event, in the inbox's transaction."""
    with (
        context.connection.cursor() as cursor,
        cursor.copy(f"COPY {TABLE} (event_id, partition, position) FROM STDIN") as copy,
    ):
        for event in events:
            copy.write_row((event.id, event.partition, event.offset))
