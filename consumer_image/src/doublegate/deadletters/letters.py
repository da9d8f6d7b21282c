"""One dead letter as it lies in Kafka: what failed, where it came from, its own headers and payload."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from doublegate.contract.deadletter import DeadLetter
from doublegate.contract.errors import BrokenDeadLetter
from doublegate.contract.headers import REPLAY_ID, TRACEPARENT
from doublegate.contract.identity import IdProblem
from doublegate.deadletters.scan import scan
from doublegate.telemetry.spans import first_header
from doublegate.telemetry.traceparent import is_sampled, trace_id_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from confluent_kafka import Message

    from doublegate.contract.headers import Headers

    ReadId = Callable[[Headers | None], bytes | IdProblem] | None

__all__ = ["StoredLetter", "headers_of", "read_letter", "read_letters", "text_of"]


@dataclass(frozen=True, slots=True)
class StoredLetter:
    """A letter and its place.

    Attributes:
        partition: of the dead-letter topic.
        offset: in it.
        event_id: as text; None when it is not usable, or stands in the payload.
        facts: what it says about the failure; None when its headers are not a letter's.
        broken: what is wrong with them then.
        headers: all of them.
        key: the event's key.
        value: the event's payload.
    """

    partition: int
    offset: int
    event_id: str | None
    facts: DeadLetter | None
    broken: str
    headers: Headers
    key: bytes | None
    value: bytes | None

    @property
    def position(self) -> str:
        """Its place, as the CLI writes and reads it."""
        return f"{self.partition}:{self.offset}"

    @property
    def trace_id(self) -> str | None:
        """The trace that the event belongs to."""
        return trace_id_of(first_header(self.headers, TRACEPARENT)) or None

    @property
    def sampled(self) -> bool:
        """Whether the event's sender decided to record its trace."""
        return any(name == TRACEPARENT and is_sampled(value) for name, value in self.headers)

    @property
    def replay_ids(self) -> frozenset[str]:
        """The replays that sent it before it failed this time."""
        return frozenset(text_of(value) for name, value in self.headers if name == REPLAY_ID)

    def summary(self) -> dict[str, Any]:
        """Its facts for tables and JSON."""
        facts = self.facts
        return {
            "position": self.position,
            "id": self.event_id,
            "reason": facts.reason.value if facts else None,
            "error": facts.error if facts else self.broken,
            "attempt": facts.attempt if facts else None,
            "origin": f"{facts.topic}/{facts.partition}/{facts.offset}" if facts else None,
            "failed_at": facts.failed_at.isoformat() if facts else None,
            "trace_id": self.trace_id,
        }


def read_letters(config: Mapping[str, Any], topic: str, read_id: ReadId) -> Iterator[StoredLetter]:
    """All letters that the topic holds now."""
    return (read_letter(message, read_id) for message in scan(config, topic))


def read_letter(message: Message, read_id: ReadId) -> StoredLetter:
    """Describe one record of a dead-letter topic; one that is no letter is described as such."""
    headers = headers_of(message)
    found = read_id(headers) if read_id else IdProblem.MISSING
    facts, broken = None, ""
    try:
        facts = DeadLetter.from_headers(headers)
    except BrokenDeadLetter as error:
        broken = str(error)
    return StoredLetter(
        partition=message.partition() or 0,
        offset=message.offset() or 0,
        event_id=None if isinstance(found, IdProblem) else found.decode(),
        facts=facts,
        broken=broken,
        headers=headers,
        key=message.key(),
        value=message.value(),
    )


def headers_of(message: Message) -> Headers:
    """The record's headers as the client delivers them, which its types say loosely."""
    return cast("Headers", list(message.headers() or []))


def text_of(value: bytes | None) -> str:
    """A header's value for people: unprintable bytes are escaped."""
    return "" if value is None else value.decode(errors="backslashreplace")
