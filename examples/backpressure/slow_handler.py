"""A handler that bears about 200 events a second: each takes 20 ms, and four run at once."""

import time

from doublegate import Context, Event


def ship(event: Event[bytes], context: Context) -> None:
    time.sleep(0.02)
    context.log.debug("shipped %s", event.id)
