"""The demo's part on reading one's own writes: an order's address is changed, and its page is read again.

The page is read while no consumer runs, and again when the write is in the read model. `story` calls it.
"""

from __future__ import annotations

import os
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING

from doublegate.consistency import Cause, Overlay, Reader, Source, Tokens
from doublegate.consistency.inbox import InboxPositions
from doublegate.consistency.topic_ids import TopicIds
from doublegate.demo.orders import address_of, order_event
from doublegate.demo.proof import Invariant
from doublegate.demo.scene import FIRST_ADDRESS, FIRST_ORDER
from doublegate.producer import Producer

if TYPE_CHECKING:
    from collections.abc import Callable

    from doublegate.demo.scene import Scene
    from doublegate.demo.view import View

__all__ = ["NEW_ADDRESS", "Look", "prove_own_write", "show_own_write"]

NEW_ADDRESS = "Lisbon"
PATIENCE_SECONDS = 0.3
"""What a person waits for a page."""
APPLIED_SECONDS = 20.0
"""What a busy machine may take for one event."""
KEY_BYTES = 16


@dataclass(frozen=True)
class Look:
    """The page as it was read once.

    Attributes:
        source: where the decision sends the read.
        cause: why.
        stored: the address in the read model.
        shown: the address with the overlay on top.
        pending: writes that the overlay still keeps.
    """

    source: Source
    cause: Cause
    stored: str
    shown: str
    pending: int

    @property
    def line(self) -> str:
        """All of it in a line."""
        return (
            f"{self.cause.name}, read the {self.source.name.lower()}; the read model has {self.stored}, "
            f"the page shows {self.shown}"
        )


def show_own_write(scene: Scene, view: View, start_consumer: Callable[[], None]) -> list[Invariant]:
    """Write, look, start the consumer, look again.

    Raises:
        DemoError: the consumer did not start.
        Undelivered: the brokers did not take the write.
    """
    spec = scene.orders.spec
    tokens, overlay = Tokens(os.urandom(KEY_BYTES)), Overlay[str](seconds=2 * APPLIED_SECONDS)
    with Producer(scene.kafka) as producer:
        value = order_event(FIRST_ORDER, NEW_ADDRESS)
        cookie = tokens.encode(producer.write(spec.kafka.topic, value, key=FIRST_ORDER))
    view.step(f"an order's address is changed to {NEW_ADDRESS}; the token is {cookie}")
    overlay.wrote(FIRST_ORDER, NEW_ADDRESS, tokens.decode(cookie))
    with (
        closing(InboxPositions(scene.database, spec.kafka.group, TopicIds(scene.kafka))) as positions,
        closing(Reader(positions)) as reader,
    ):
        before = _look(scene, reader, overlay, PATIENCE_SECONDS)
        view.step(f"  while its consumer is stopped: {before.line}")
        start_consumer()
        after = _look(scene, reader, overlay, APPLIED_SECONDS)
        view.step(f"  when its consumer runs: {after.line}")
    return prove_own_write(before, after)


def prove_own_write(before: Look, after: Look) -> list[Invariant]:
    """What the two looks must have been."""
    return [
        Invariant(
            "own_write_pending",
            (before.source, before.cause) == (Source.PRIMARY, Cause.TIMEOUT),
            f"a write that no consumer has applied sends its reader to the {before.source.name.lower()}: "
            f"{before.cause.name}",
        ),
        Invariant(
            "own_write_shown",
            (before.stored, before.shown, before.pending) == (FIRST_ADDRESS, NEW_ADDRESS, 1),
            f"the overlay shows {before.shown} over the read model's {before.stored}",
        ),
        Invariant(
            "own_write_applied",
            (after.source, after.cause) == (Source.REPLICA, Cause.APPLIED) and after.stored == NEW_ADDRESS,
            f"once it is applied its reader goes to the {after.source.name.lower()}: {after.cause.name}, "
            f"and the read model has {after.stored}",
        ),
        Invariant(
            "own_write_let_go",
            after.pending == 0 and after.shown == after.stored,
            f"the overlay keeps {after.pending} pending writes then",
        ),
    ]


def _look(scene: Scene, reader: Reader, overlay: Overlay[str], timeout: float) -> Look:
    # In this order: a write that is applied in between is in the read model, or still in the overlay.
    decision = reader.read(*overlay.tokens(FIRST_ORDER), timeout=timeout)
    overlay.settle(decision.progress)
    stored = address_of(scene, FIRST_ORDER)
    return Look(decision.source, decision.cause, stored, overlay.view(FIRST_ORDER, stored), len(overlay))
