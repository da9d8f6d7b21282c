"""The handlers of the members: one effect per event, and what the event's kind says goes wrong.

Every effect tells the far side, or its row, when it started, whose it is, and under which epoch. The kind is
the last letter of the event id, see `Kind`.
"""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any

import aiohttp
import requests

from doublegate import Context, Event, Reject, Retry, Unknown
from doublegate.contract.headers import REPLAY_ID
from tests.faults import points

if TYPE_CHECKING:
    from collections.abc import Sequence

FAR_SIDE = os.environ.get("FAULTS_FAR_SIDE", "")
RUN = os.environ.get("FAULTS_RUN", "")
EFFECT = os.environ.get("FAULTS_EFFECT", "plain")
REPAIRED = Path(os.environ.get("FAULTS_REPAIRED", "/nonexistent"))
CALL_SECONDS = 4.0
USUAL_SECONDS = 0.015
SLOW_SECONDS = 1.2
LONG_SECONDS = 7.0
FOREVER_SECONDS = 60.0
_local = threading.local()


class Kind(StrEnum):
    """What is special about an event."""

    SOUND = "n"
    FAILS = "f"
    """Refused until the handler is repaired."""
    RETRIES = "r"
    """Fails the first time, before its effect."""
    SLOW = "s"
    LONG = "l"
    """Takes longer than the lease, which is renewed meanwhile."""
    RAISES = "x"
    """Leaks an exception the first time, before its effect."""
    LEAKS = "y"
    """Leaks an exception the first time, after its effect."""
    HANGS = "h"
    """Outlives its timeout the first time."""
    CRASHES = "c"
    """Kills its process each time, until the handler is repaired."""
    BROKEN = "b"
    """Its payload is none."""


def kind_of(event_id: str) -> Kind:
    """The kind that an id says."""
    return Kind(event_id[-1])


def before(event: Event[Any]) -> float:
    """What goes wrong before the effect; returns the seconds that the effect takes."""
    kind, again = kind_of(event.id), event.unknown or event.attempt > 1
    if kind is Kind.CRASHES and not REPAIRED.exists():
        os.kill(os.getpid(), signal.SIGSEGV)
    if kind is Kind.FAILS and not REPAIRED.exists():
        raise Reject(f"{event.id} is refused until the handler is repaired")
    if kind is Kind.BROKEN:
        raise Reject(f"{event.id} can't be read")
    if kind is Kind.RETRIES and not again:
        raise Retry(f"{event.id} is not possible now")
    if kind is Kind.RAISES and not again:
        raise RuntimeError(f"{event.id} leaks")
    if kind is Kind.HANGS and not again:
        return FOREVER_SECONDS
    return {Kind.SLOW: SLOW_SECONDS, Kind.LONG: LONG_SECONDS}.get(kind, USUAL_SECONDS)


def after(event: Event[Any]) -> None:
    """What goes wrong after the effect."""
    if kind_of(event.id) is Kind.LEAKS and not (event.unknown or event.attempt > 1):
        raise RuntimeError(f"{event.id} leaks after its effect")


def call_of(event: Event[Any], context: Context, started: float) -> dict[str, Any]:
    """What the far side is told."""
    return {
        "run": RUN,
        "id": event.id,
        "topic": "replay" if any(name == REPLAY_ID for name, _ in event.headers) else "source",
        "partition": event.partition,
        "offset": event.offset,
        "record_key": (event.key or b"").decode(),
        "owner": context.owner,
        "epoch": event.epoch,
        "pid": os.getpid(),
        "started": started,
        "attempt": event.attempt,
        "unknown": event.unknown,
        "digest": value_of(event),
    }


def value_of(event: Event[Any]) -> int:
    """The payload's own number, which tells a conflict's payload from the first one's."""
    value = event.value if isinstance(event.value, dict) else json.loads(event.value)
    return int(value["number"])


def answered(status: int, event: Event[Any]) -> None:
    """What the far side's answer means."""
    if status == 429:
        raise Retry(f"{event.id}: the far side does not want it now", after=0.2)
    if status >= 500:
        raise Unknown(f"{event.id}: the far side answered {status}")


def single(event: Event[Any], context: Context) -> None:
    """One event, synchronous."""
    started = points.started()
    seconds = before(event)
    points.at("in_handler")
    time.sleep(seconds)
    post(event, context, started)
    points.at("after_effect")
    after(event)


def post(event: Event[Any], context: Context, started: float) -> None:
    """The effect, over HTTP."""
    if not hasattr(_local, "session"):
        _local.session = requests.Session()
    answer = _local.session.post(
        f"{FAR_SIDE}/{EFFECT}",
        json=call_of(event, context, started),
        headers={"Idempotency-Key": context.idempotency_key(event)},
        timeout=(2.0, CALL_SECONDS),
    )
    answered(answer.status_code, event)


async def on_loop(event: Event[Any], context: Context) -> None:
    """One event, async."""
    started = points.started()
    seconds = before(event)
    points.at("in_handler")
    await points.sleep(seconds)
    timeout = aiohttp.ClientTimeout(total=CALL_SECONDS, sock_connect=2.0)
    headers = {"Idempotency-Key": context.idempotency_key(event)}
    async with (
        aiohttp.ClientSession(timeout=timeout) as session,
        session.post(f"{FAR_SIDE}/{EFFECT}", json=call_of(event, context, started), headers=headers) as reply,
    ):
        answered(reply.status, event)
    points.at("after_effect")
    after(event)


def rows(events: list[Event[Any]], context: Context) -> list[BaseException | None]:
    """A batch into PostgreSQL, in the inbox's transaction."""
    started = points.started()
    ends: list[BaseException | None] = []
    performed: list[Event[Any]] = []
    waiting: set[bytes | None] = set()
    seconds = 0.0
    for event in events:
        end: BaseException | None = None
        if event.key in waiting:  # a batch has several events of a key: their order is the handler's, too
            end = Retry(f"{event.id} comes after one of its key that is tried again")
        else:
            try:
                seconds = max(seconds, before(event))
            except (Reject, Retry) as error:
                end = error
        if isinstance(end, Retry):
            waiting.add(event.key)
        if end is None:
            performed.append(event)
        ends.append(end)
    points.at("in_handler")
    time.sleep(seconds)
    write(performed, context, started)
    points.at("after_effect")
    for event in performed:
        after(event)
    return ends


def write(events: Sequence[Event[Any]], context: Context, started: float) -> None:
    """The effects, as rows."""
    with context.connection.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO effects (id, call) VALUES (%s, %s)",
            [(event.id, json.dumps(call_of(event, context, started))) for event in events],
        )
