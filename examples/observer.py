"""A handler without an effect."""

from doublegate import Event


def watch(events: list[Event[bytes]]) -> None:
    """Look at nothing; the gates' decisions are what is observed."""
