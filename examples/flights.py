"""The demo's handler: a batch of flights into PostgreSQL, in the inbox's transaction, some with an HTTP call.

Each event writes a row. A share of them also makes a call: half are charges, under an `Idempotency-Key` that
the far side honours, half are mails, which it performs as often as it is told.

The handler is faulty on purpose for a stated share of events, until the file that FLIGHTS_REPAIRED names is
there.
"""

import asyncio
import os
from datetime import datetime
from pathlib import Path
from typing import Any

import aiohttp
from pydantic import BaseModel

from doublegate import Context, Event, Reject, Retry, Unknown
from doublegate.demo import settings
from doublegate.demo.lots import Call, call_of, fails, lot

OWNER = f"process-{os.getpid()}"
FAR_SIDE = os.environ.get(settings.FAR_SIDE_URL, "")
FAILING = float(os.environ.get(settings.FAILING, "0"))
CALLS = float(os.environ.get(settings.CALLS, "0"))
REPAIRED = Path(os.environ.get(settings.REPAIRED, "/nonexistent"))
CONNECTIONS = 16


class Flight(BaseModel):
    """What the handler needs of the event; the schema has more."""

    sequence: int
    carrier: str
    number: int
    tail: str | None
    scheduled: datetime
    distance: int


async def perform(events: list[Event[Flight]], context: Context) -> list[BaseException | None]:
    """Perform a batch; says of each event how it went.

    The calls come first, and only events whose call went well get their row: what is in the transaction when
    it commits is what happened.
    """
    ends: list[BaseException | None] = [fault_of(event) for event in events]
    calls = [
        (place, call)
        for place, event in enumerate(events)
        if ends[place] is None and (call := call_of(event.id, CALLS)) is not None
    ]
    if calls:
        async with aiohttp.ClientSession(
            FAR_SIDE, connector=aiohttp.TCPConnector(limit=CONNECTIONS)
        ) as session:
            answers = await asyncio.gather(
                *(post(session, call, events[place], context) for place, call in calls),
                return_exceptions=True,
            )
        for (place, _), answer in zip(calls, answers, strict=True):
            ends[place] = answer
    done = [event for event, end in zip(events, ends, strict=True) if end is None]
    async with (
        context.connection.cursor() as cursor,
        cursor.copy("COPY departures (event_id, aircraft, sequence, owner) FROM STDIN") as copy,
    ):
        for event in done:
            await copy.write_row((event.id, event.value.tail or "NA", event.value.sequence, OWNER))
    return ends


def fault_of(event: Event[Any]) -> BaseException | None:
    """The fault that this handler has for some events, until it is repaired."""
    if not fails(event.id, FAILING) or REPAIRED.exists():
        return None
    if lot(event.id, "how") < 0.5:
        return Reject(f"the faulty handler refuses {event.id}")
    return Retry(f"the faulty handler is not able to perform {event.id} now")


async def post(session: aiohttp.ClientSession, call: Call, event: Event[Any], context: Context) -> None:
    """Make the event's call; what it raises says whether it may have happened."""
    headers = {**context.trace_headers(event), "Idempotency-Key": context.idempotency_key(event)}
    async with session.post(f"/{call}", json={"id": event.id, "owner": OWNER}, headers=headers) as answer:
        if answer.status >= 500:
            raise Unknown(f"{call} of {event.id}: the far side answered {answer.status}")
        if answer.status >= 400:
            raise Reject(f"{call} of {event.id}: the far side answered {answer.status}")
