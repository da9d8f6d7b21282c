"""The orders of the demo's parts: events of their topic, and what the read model holds of them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from doublegate.demo.scene import Scene

__all__ = ["address_of", "order_event", "orders_stored"]


def order_event(order: str, address: str) -> bytes:
    """The payload that `examples/orders.py` takes."""
    return json.dumps({"id": order, "address": address}).encode()


def address_of(scene: Scene, order: str) -> str:
    """An order's address in the read model; empty when it has none."""
    with scene.connect() as connection:
        row = connection.execute("SELECT address FROM orders WHERE id = %s", (order,)).fetchone()
    return row[0] if row else ""


def orders_stored(scene: Scene) -> int:
    """How many orders the read model has."""
    with scene.connect() as connection:
        row = connection.execute("SELECT count(*) FROM orders").fetchone()
    return row[0] if row else 0
