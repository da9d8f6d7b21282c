"""A consumer of payments: what its handler reads is declared in consumers/billing.fields.json."""

from pydantic import BaseModel

from doublegate import Context, Event


class Payment(BaseModel):
    amount: int
    currency: str


def charge(event: Event[Payment], context: Context) -> None:
    context.log.info("charging %d %s", event.value.amount, event.value.currency)
