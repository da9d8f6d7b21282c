"""What chance decides about one event, the same for everybody who asks: plan, handler and proof."""

from __future__ import annotations

from enum import StrEnum, auto

import xxhash

__all__ = ["Call", "call_of", "fails", "lot"]


class Call(StrEnum):
    """The HTTP effect of an event."""

    CHARGE = auto()
    """The far side honours the `Idempotency-Key`."""
    MAIL = auto()
    """The far side performs whatever it is told, as often as it is told."""


def lot(event_id: str, question: str) -> float:
    """A number in [0, 1) that belongs to an event and a question."""
    return xxhash.xxh3_64_intdigest(f"{question}:{event_id}".encode()) / 2**64


def fails(event_id: str, share: float) -> bool:
    """Whether the faulty handler fails for the event."""
    return lot(event_id, "fails") < share


def call_of(event_id: str, share: float) -> Call | None:
    """The HTTP call that the event makes; half of the share are charges, half are mails."""
    drawn = lot(event_id, "call")
    if drawn >= share:
        return None
    return Call.CHARGE if drawn < share / 2 else Call.MAIL
