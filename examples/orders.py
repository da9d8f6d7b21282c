"""The handler of the demo's second consumer: each order's address into a table, the read model.

It is slow while the file that ORDERS_SLOW names is there.
"""

import os
import time
from pathlib import Path

from pydantic import BaseModel

from doublegate import Context, Event
from doublegate.demo import settings

SLOW = Path(os.environ.get(settings.SLOW, "/nonexistent"))
SLOW_SECONDS = 0.1
_WRITE = """
INSERT INTO orders (id, address) VALUES (%(id)s, %(address)s)
ON CONFLICT (id) DO UPDATE SET address = excluded.address
"""


class Order(BaseModel):
    id: str
    address: str


def take(event: Event[bytes], context: Context) -> None:
    if SLOW.exists():
        time.sleep(SLOW_SECONDS)
    order = Order.model_validate_json(event.value)
    context.connection.execute(_WRITE, order.model_dump())
