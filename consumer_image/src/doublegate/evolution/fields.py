"""The fields of a schema by their paths: what a decoded record has, and of which kind each field is.

`diff` shows them and `impact` compares them with what consumers read.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

from doublegate.contract.record import Field
from doublegate.evolution.avro_fields import avro_fields
from doublegate.evolution.errors import CannotCheck
from doublegate.evolution.json_fields import json_fields
from doublegate.evolution.protobuf_fields import protobuf_fields
from doublegate.evolution.schema import Format, Schema

__all__ = ["Change", "diff", "fields_of"]

_MOST = 10_000
"""Types that hold each other in many ways make paths without end."""


@dataclass(frozen=True, slots=True)
class Change:
    """One field that differs.

    Attributes:
        path: of the field.
        before: what it was; None when it is new.
        after: what it is; None when it is gone.
    """

    path: str
    before: str | None
    after: str | None

    def __str__(self) -> str:
        if self.before is None:
            return f"+ {self.path}: {self.after}"
        return f"- {self.path}: {self.before}" if self.after is None else self._changed()

    def _changed(self) -> str:
        return f"~ {self.path}: {self.before} -> {self.after}"


def fields_of(schema: Schema) -> dict[str, Field]:
    """Every field of the records that the schema describes.

    Raises:
        CannotCheck: a reference in it leads elsewhere, or it has too many fields.
    """
    found = list(islice(_fields(schema), _MOST + 1))
    if len(found) > _MOST:
        raise CannotCheck(f"it has more than {_MOST} fields, those of nested types counted at each place")
    return dict(found)


def _fields(schema: Schema) -> Iterator[tuple[str, Field]]:
    match schema.format:
        case Format.AVRO:
            return avro_fields(schema.tree)
        case Format.JSON:
            return json_fields(schema.tree)
        case Format.PROTOBUF:
            return protobuf_fields(schema.tree)


def diff(before: Schema, after: Schema) -> Iterator[Change]:
    """The fields that differ, in the order of the schemas."""
    old, new = fields_of(before), fields_of(after)
    for path in dict.fromkeys((*old, *new)):
        was, now = (str(fields[path]) if path in fields else None for fields in (old, new))
        if was != now:
            yield Change(path, was, now)
