"""A first handler: one event in, one effect out."""

from pydantic import BaseModel

from doublegate import Context, Event, Reject


class Payment(BaseModel):
    amount: int


def charge(event: Event[Payment], context: Context) -> None:
    if event.value.amount <= 0:
        raise Reject(f"an amount of {event.value.amount} can't be charged")
    context.log.info("charging %d under key %s", event.value.amount, context.idempotency_key(event))
