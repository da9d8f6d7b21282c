"""The keywords of JSON Schema that bound a value, and which of two bounds is the narrower one."""

from collections.abc import Iterable, Iterator
from typing import Any

__all__ = ["BOUNDS", "narrowed"]

_LOWER = ("minimum", "exclusiveMinimum", "minLength", "minItems", "minProperties")
_COUNTS = ("minLength", "minItems", "minProperties")
_UPPER = ("maximum", "exclusiveMaximum", "maxLength", "maxItems", "maxProperties")
_EXACT = ("pattern", "multipleOf", "uniqueItems")
BOUNDS = {
    "number": ("minimum", "exclusiveMinimum", "maximum", "exclusiveMaximum", "multipleOf"),
    "string": ("minLength", "maxLength", "pattern"),
    "array": ("minItems", "maxItems", "uniqueItems"),
    "object": ("minProperties", "maxProperties"),
}
BOUNDS["integer"] = BOUNDS["number"]


def narrowed(reader: Any, writer: Any, kinds: Iterable[str]) -> Iterator[tuple[str, str]]:
    """The reader's bound and the writer's, wherever a value of these types may pass only the writer's."""
    for key in dict.fromkeys(key for kind in kinds for key in BOUNDS.get(kind, ())):
        if _narrower(key, reader.get(key), writer.get(key)):
            yield _bound(key, reader), _bound(key, writer)


def _narrower(key: str, reader: Any, writer: Any) -> bool:
    """Whether the reader's bound refuses what the writer's lets through."""
    if reader is None or reader is False or reader == writer or (reader == 0 and key in _COUNTS):
        return False
    if key in _LOWER:
        return writer is None or bool(reader > writer)
    if key in _UPPER:
        return writer is None or bool(reader < writer)
    return key in _EXACT


def _bound(key: str, schema: Any) -> str:
    return f"{key} {schema[key]}" if key in schema else f"no {key}"
