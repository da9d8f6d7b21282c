"""One field of a record as a handler gets it, in words that all formats and pydantic models share.

`doublegate schema` and the operator compare what a schema has with what a model reads (`reads`).
"""

from dataclasses import dataclass
from enum import StrEnum

__all__ = ["Field", "Kind"]


class Kind(StrEnum):
    """What a decoded value is in Python."""

    NULL = "null"
    BOOLEAN = "boolean"
    INTEGER = "integer"
    NUMBER = "number"
    STRING = "string"
    BYTES = "bytes"
    OBJECT = "object"
    ARRAY = "array"
    DATE_TIME = "date-time"
    DATE = "date"
    TIME = "time"
    DECIMAL = "decimal"
    UUID = "uuid"
    ANY = "any"
    """The schema says nothing of it, so nothing can be judged."""


@dataclass(frozen=True, slots=True)
class Field:
    """A field that a schema describes.

    Attributes:
        type: as the format calls it.
        kinds: what a decoded value may be.
        always: every record has it, though it may be null.
        values: all that it may be, when the schema lists them.
        note: what else a person wants to see: its default, that it is required.
    """

    type: str
    kinds: frozenset[Kind]
    always: bool = True
    values: frozenset[str] | None = None
    note: str = ""

    def __str__(self) -> str:
        return f"{self.type}, {self.note}" if self.note else self.type
