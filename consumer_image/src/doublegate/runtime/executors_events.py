"""Makes what a handler is called with, from the record."""

import inspect
from collections.abc import Callable
from typing import Any

from xxhash import xxh3_128_hexdigest

from doublegate.runtime.event import Context, Event
from doublegate.runtime.executors_outcomes import NullPayload, describe
from doublegate.runtime.handler import Handler, Value
from doublegate.runtime.outcome import Retry, Unknown
from doublegate.runtime.record import Record
from doublegate.runtime.unit import Child, Terms

__all__ = ["EventMaker", "event_maker", "refuse_awaitable", "send_children"]

EventMaker = Callable[[Record], Event[Any]]


def event_maker(handler: Handler, terms: Terms) -> EventMaker:
    """A function that makes the event of a record's next attempt.

    It raises what decoding and validation raise, see `executors_outcomes.of_decoding`.
    """
    read = _reader(handler, terms)
    source = terms.topic

    def make(record: Record) -> Event[Any]:
        message = record.message
        return Event(
            record.event_id.decode(),
            read(message.value()),
            message.key(),
            record.headers,
            source,
            record.partition.name.partition,
            record.offset,
            message.timestamp()[1],
            record.attempt + 1,
            record.unknown,
            record.epoch,
            record.order,
        )

    return make


def _reader(handler: Handler, terms: Terms) -> Callable[[bytes | None], Any]:
    name, nullable, decode, model = handler.name, handler.nullable, terms.decode, handler.model

    def null() -> Any:
        if not nullable:
            raise NullPayload(f"a null payload (tombstone); {name} takes none, annotate `| None` if it shall")
        return None

    def raw(payload: bytes | None) -> Any:
        return null() if payload is None else payload

    if handler.value is Value.RAW:
        return raw
    if decode is None:
        raise ValueError(f"handler {name} takes decoded values: the executor needs `decode`")

    def decoded(payload: bytes | None) -> Any:
        return null() if payload is None else decode(payload)

    if model is None:
        return decoded

    def validated(payload: bytes | None) -> Any:
        if payload is None:
            return null()
        value = decode(payload)
        return value if isinstance(value, model) else model.model_validate(value)

    return validated


def refuse_awaitable(handler: Handler, returned: Any) -> None:
    """A synchronous handler that returned an awaitable has done nothing yet, and never will."""
    if inspect.isawaitable(returned):
        if inspect.iscoroutine(returned):
            returned.close()
        raise TypeError(f"handler {handler.name} returned an awaitable; declare it with `async def`")


def send_children(context: Context, terms: Terms, without: frozenset[Event[Any]] = frozenset()) -> None:
    """Send what was asked to be produced, and return when it is acknowledged.

    The ids repeat in a second attempt, so a child sent twice is one event to whoever reads it.

    Args:
        context: of the attempt.
        terms: who sends.
        without: parents that failed; their children are not sent.
    """
    index: dict[str, int] = {}
    children: list[Child] = []
    for parent, topic, value, key in context.children:
        number = index.get(parent.id, 0)
        index[parent.id] = number + 1
        if parent not in without:
            # A group's name has no NUL and the index is digits, so no two triples read alike.
            again = f"{parent.reprocess}\0" if parent.reprocess else ""
            name = f"{context.scope}\0{parent.id}\0{again}{number}".encode()
            children.append(Child(xxh3_128_hexdigest(name), topic, value, key, parent))
    if not children:
        return
    try:
        terms.produce(children)
    except Exception as error:
        what = f"{len(children)} events of ctx.produce were not acknowledged: {describe(error)}"
        raise (Retry(what) if terms.idempotent else Unknown(what)) from error
