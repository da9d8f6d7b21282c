"""The event id of a record: where it is read from, and why it may not be usable.

The id is bytes, 1 to 255 of UTF-8. A name that stands twice in the headers is fine when both say the same
(a forwarder copied it); two different values are refused as ambiguous, since a guess could drop an event as
the duplicate of another.
"""

from collections.abc import Callable, Mapping
from enum import StrEnum, auto
from typing import Any
from uuid import UUID

from doublegate.contract.gate_spec import IdentitySpec
from doublegate.contract.headers import CE_ID, CE_SOURCE, Headers

__all__ = ["MAX_ID_BYTES", "IdProblem", "cloud_events_id", "header_id", "header_reader", "payload_id"]

MAX_ID_BYTES = 255


class IdProblem(StrEnum):
    """Why a record has no usable id; such a record is poison."""

    MISSING = auto()
    EMPTY = auto()
    TOO_LONG = auto()
    NOT_UTF8 = auto()
    AMBIGUOUS = auto()
    NOT_SCALAR = auto()

    def describe(self, identity: IdentitySpec) -> str:
        """Cause and remedy in one line, for the dead letter and the log."""
        return f"event id: {identity.where} {_TEXT[self]}; allowed: 1 to {MAX_ID_BYTES} bytes of UTF-8, once"


_TEXT = {
    IdProblem.MISSING: "is missing",
    IdProblem.EMPTY: "is empty",
    IdProblem.TOO_LONG: f"is longer than {MAX_ID_BYTES} bytes",
    IdProblem.NOT_UTF8: "is not UTF-8",
    IdProblem.AMBIGUOUS: "stands there more than once with different values",
    IdProblem.NOT_SCALAR: "is neither text, a whole number nor a UUID",
}


def header_id(headers: Headers | None, name: str) -> bytes | IdProblem:
    """The id in one header; on the hot path of every record."""
    found: bytes | None = None
    for key, value in headers or ():
        if key == name:
            if value is None:
                value = b""  # noqa: PLW2901 - a null value is there, and empty
            if found is not None and value != found:
                return IdProblem.AMBIGUOUS
            found = value
    if found is None:
        return IdProblem.MISSING
    if found.isascii() and 0 < len(found) <= MAX_ID_BYTES:
        return found
    return _checked(found)


def cloud_events_id(headers: Headers | None) -> bytes | IdProblem:
    """The id of a CloudEvent in binary mode: `<bytes of source>:<ce_source>:<ce_id>`.

    The length makes the joint unambiguous: no two (source, id) give the same bytes.
    """
    source = header_id(headers, CE_SOURCE)
    if isinstance(source, IdProblem):
        return source
    event = header_id(headers, CE_ID)
    if isinstance(event, IdProblem):
        return event
    return _checked(b"%d:%b:%b" % (len(source), source, event))


def payload_id(payload: Mapping[str, Any], field: str) -> bytes | IdProblem:
    """The id in a field of the decoded payload: text, UTF-8 bytes, a whole number or a UUID."""
    value = payload.get(field)
    if value is None:
        return IdProblem.MISSING
    if isinstance(value, bytes):
        return _checked(value)
    if isinstance(value, bool) or not isinstance(value, str | int | UUID):
        return IdProblem.NOT_SCALAR
    try:
        return _checked(str(value).encode())
    except UnicodeEncodeError:
        return IdProblem.NOT_UTF8


def header_reader(identity: IdentitySpec) -> Callable[[Headers | None], bytes | IdProblem] | None:
    """The function that reads the id from headers, chosen once; None when the id is in the payload."""
    if identity.cloud_events:
        return cloud_events_id
    name = identity.header
    return None if name is None else lambda headers: header_id(headers, name)


def _checked(value: bytes) -> bytes | IdProblem:
    if not value:
        return IdProblem.EMPTY
    if len(value) > MAX_ID_BYTES:
        return IdProblem.TOO_LONG
    try:
        value.decode()
    except UnicodeDecodeError:
        return IdProblem.NOT_UTF8
    return value
