"""The dead letter: why an event failed, as headers beside those that it came with."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum, auto

from doublegate.contract import headers as names
from doublegate.contract.errors import BrokenDeadLetter
from doublegate.contract.headers import Headers

__all__ = ["MAX_ERROR_BYTES", "DeadLetter", "DeadLetterReason", "original_headers", "replay_headers"]

MAX_ERROR_BYTES = 1024
"""Room for cause and first frames; the whole letter must stay within source size + 64 KiB."""

_INTEGER = re.compile(r"-?[0-9]{1,19}", re.ASCII)
_ADDED_BY_US = names.DLQ_HEADERS | {names.REPLAY_ID, names.REPROCESS}


class DeadLetterReason(StrEnum):
    """Why an event went to the DLQ; the value of `dg-dlq-reason`."""

    FAILED = auto()
    """The handler failed for good, or its attempts were used up; the effect did not happen."""
    POISON = auto()
    """The record itself can't be worked on: no usable id, or bytes that do not decode."""
    SCHEMA = auto()
    """The payload names a schema that does not exist or does not fit."""
    CONFLICT = auto()
    """The same id came before with another payload."""
    UNKNOWN_OUTCOME = auto()
    """The effect may have happened, and nobody here can say."""
    PARKED = auto()
    """An earlier event of its key is in the DLQ, and order is kept."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLetter:
    """What a dead letter says about the failure.

    Attributes:
        reason: why.
        error: cause and message; on the wire at most 1 KiB.
        attempt: attempts begun, 0 when the handler never saw it.
        topic: where the record that failed was read.
        partition: of that record.
        offset: of that record.
        timestamp_ms: that record's time, milliseconds since the epoch; -1 when it had none.
        group: the consumer group that gave up.
        failed_at: when it gave up, with a time zone.
        reprocess: the order that the event ran under; empty for none.
    """

    reason: DeadLetterReason
    error: str
    attempt: int
    topic: str
    partition: int
    offset: int
    timestamp_ms: int
    group: str
    failed_at: datetime
    reprocess: str = ""

    def __post_init__(self) -> None:
        if self.failed_at.tzinfo is None:
            raise ValueError("DeadLetter.failed_at has no time zone: use datetime.now(UTC)")

    def to_headers(self, original: Iterable[tuple[str, bytes | None]] | None) -> Headers:
        """The letter's headers: the record's own, byte for byte and in order, then one set of ours.

        Args:
            original: the headers of the record that failed. A set of ours in it, from an earlier failure, is
                replaced.
        """
        replaced = names.DLQ_HEADERS | {names.REPROCESS}
        order: Headers = [(names.REPROCESS, self.reprocess.encode())] if self.reprocess else []
        return [
            *(header for header in original or () if header[0] not in replaced),
            *order,
            (names.DLQ_REASON, self.reason.value.encode()),
            (names.DLQ_ERROR, _cut(self.error)),
            (names.DLQ_ATTEMPT, b"%d" % self.attempt),
            (names.DLQ_TOPIC, self.topic.encode()),
            (names.DLQ_PARTITION, b"%d" % self.partition),
            (names.DLQ_OFFSET, b"%d" % self.offset),
            (names.DLQ_TIMESTAMP, b"%d" % self.timestamp_ms),
            (names.DLQ_GROUP, self.group.encode()),
            (names.DLQ_FAILED_AT, self.failed_at.astimezone(UTC).isoformat().encode()),
        ]

    @classmethod
    def from_headers(cls, headers: Iterable[tuple[str, bytes | None]] | None) -> "DeadLetter":
        """Read a letter back.

        Raises:
            BrokenDeadLetter: a `dg-dlq-*` header is missing or does not parse.
        """
        ours = {name: value for name, value in headers or () if name in names.DLQ_HEADERS}
        return cls(
            reason=_reason(ours),
            error=_text(ours, names.DLQ_ERROR),
            attempt=_integer(ours, names.DLQ_ATTEMPT, least=0),
            topic=_text(ours, names.DLQ_TOPIC),
            partition=_integer(ours, names.DLQ_PARTITION, least=0),
            offset=_integer(ours, names.DLQ_OFFSET, least=0),
            timestamp_ms=_integer(ours, names.DLQ_TIMESTAMP, least=-1),
            group=_text(ours, names.DLQ_GROUP),
            failed_at=_time(ours),
            reprocess=next((_order(v) for n, v in headers or () if n == names.REPROCESS), ""),
        )


def original_headers(headers: Iterable[tuple[str, bytes | None]] | None) -> Headers:
    """The headers as the event's sender wrote them, without what failures and replays added."""
    return [header for header in headers or () if header[0] not in _ADDED_BY_US]


def replay_headers(letter: Iterable[tuple[str, bytes | None]] | None, replay_id: str) -> Headers:
    """The headers under which a replay sends a letter's event again."""
    given = list(letter or ())
    order = [header for header in given if header[0] == names.REPROCESS]
    return [*original_headers(given), *order, (names.REPLAY_ID, replay_id.encode())]


def _order(value: bytes | None) -> str:
    return (value or b"").decode(errors="replace")


def _cut(error: str) -> bytes:
    # A lone surrogate (from a path or a payload decoded with surrogateescape) must not stop a dead letter.
    data = error.encode(errors="backslashreplace")[:MAX_ERROR_BYTES]
    return data.decode(errors="ignore").encode()


def _broken(name: str, given: bytes | None, allowed: str) -> BrokenDeadLetter:
    shown = "is missing" if given is None else f"is {given[:64]!r}"
    return BrokenDeadLetter(
        f"header {name} {shown}; allowed: {allowed}; is this record from a Doublegate DLQ?"
    )


def _text(ours: dict[str, bytes | None], name: str) -> str:
    value = ours.get(name)
    if value is None:
        raise _broken(name, value, "UTF-8 text")
    try:
        return value.decode()
    except UnicodeDecodeError:
        raise _broken(name, value, "UTF-8 text") from None


def _integer(ours: dict[str, bytes | None], name: str, *, least: int) -> int:
    text = _text(ours, name)
    if _INTEGER.fullmatch(text) is None or int(text) < least:
        raise _broken(name, ours[name], f"a whole number from {least}")
    return int(text)


def _reason(ours: dict[str, bytes | None]) -> DeadLetterReason:
    text = _text(ours, names.DLQ_REASON)
    try:
        return DeadLetterReason(text)
    except ValueError:
        raise _broken(names.DLQ_REASON, ours[names.DLQ_REASON], ", ".join(DeadLetterReason)) from None


def _time(ours: dict[str, bytes | None]) -> datetime:
    text = _text(ours, names.DLQ_FAILED_AT)
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        time = None
    if time is None or time.tzinfo is None:
        raise _broken(names.DLQ_FAILED_AT, ours[names.DLQ_FAILED_AT], "an ISO 8601 time with its zone")
    return time
