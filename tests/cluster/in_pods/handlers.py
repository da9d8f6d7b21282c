"""Runs in consumer pods: the handlers of these tests."""

import asyncio
import os
from typing import Any

import aiohttp

from doublegate import Context, Event, Reject

FAR_SIDE = os.environ["FAR_SIDE"]
OWNER = os.environ.get("HOSTNAME", "")
PIECE = 16 << 20
SLOWNESS = 0.3


async def mail(event: Event[bytes], context: Context) -> None:
    """An effect that the far side performs as often as it is told."""
    await post("mail", event.id, context.idempotency_key(event))


async def mail_slowly(event: Event[bytes], context: Context) -> None:
    """As `mail`, with a while between the effect and its end: whoever is killed then leaves an unknown."""
    await post("mail", event.id, context.idempotency_key(event))
    await asyncio.sleep(SLOWNESS)


async def mail_but_bad(event: Event[bytes], context: Context) -> None:
    """As `mail`, but an event whose id begins with BAD is refused before anything is done."""
    refuse_bad(event)
    await mail(event, context)


async def mail_slowly_but_bad(event: Event[bytes], context: Context) -> None:
    """As `mail_slowly`, but an event whose id begins with BAD is refused before anything is done."""
    refuse_bad(event)
    await mail_slowly(event, context)


async def eat_once(event: Event[bytes], context: Context) -> None:
    """As `mail`, but the first process that gets a hungry event takes all the memory there is."""
    if (
        event.id.startswith("hungry")
        and not (await post("charge", event.id, f"hungry {event.id}"))["repeated"]
    ):
        eaten = []
        while True:
            eaten.append(bytearray(os.urandom(1) * PIECE))
    await post("mail", event.id, context.idempotency_key(event))


def refuse_bad(event: Event[bytes]) -> None:
    """An id that begins with BAD can't be mailed."""
    if event.id.startswith(os.environ["BAD"]):
        raise Reject(f"{event.id} is bad")


async def post(what: str, event_id: str, key: str) -> dict[str, Any]:
    """Tell the far side."""
    body = {"id": event_id, "owner": OWNER}
    async with (
        aiohttp.ClientSession(FAR_SIDE) as session,
        session.post(f"/{what}", json=body, headers={"Idempotency-Key": key}) as answer,
    ):
        answer.raise_for_status()
        return dict(await answer.json())
