"""The fields that a handler reads: those of its pydantic model, by the names and types that it takes."""

from collections.abc import Iterator
from typing import Any

from pydantic import BaseModel
from pydantic.errors import PydanticUserError

from doublegate.contract.reads import Read
from doublegate.contract.record import Kind
from doublegate.evolution.errors import CannotCheck
from doublegate.evolution.json_parts import resolve
from doublegate.evolution.paths import below, items, values

__all__ = ["fields_read"]

_SECONDS = {Kind.STRING, Kind.BYTES, Kind.INTEGER, Kind.NUMBER, Kind.DECIMAL}
# What pydantic takes for a type that its JSON Schema names, when a decoder hands it Python objects. Text that
# could be parsed into a number is left out: whether it can depends on the value.
_TAKES = {
    "null": {Kind.NULL},
    "boolean": {Kind.BOOLEAN},
    "integer": {Kind.INTEGER},
    "number": {Kind.INTEGER, Kind.NUMBER, Kind.DECIMAL},
    "string": {Kind.STRING, Kind.BYTES},
    "string/binary": {Kind.STRING, Kind.BYTES},
    "string/date-time": {Kind.DATE_TIME, Kind.DATE, *_SECONDS},
    "string/date": {Kind.DATE, Kind.STRING, Kind.BYTES},
    "string/time": {Kind.TIME, *_SECONDS},
    "string/duration": _SECONDS,
    "string/uuid": {Kind.UUID, Kind.STRING, Kind.BYTES},
    "array": {Kind.ARRAY},
    "object": {Kind.OBJECT},
}


def fields_read(model: type[BaseModel]) -> dict[str, Read]:
    """Every field that the model has, nested ones too, by path; the model itself is at the empty path.

    Fields of a union are required when every model of it requires them. A model inside itself is not
    entered again. The names are those that the model takes: an alias, and of several the first.

    Raises:
        CannotCheck: the model has a type that pydantic can't describe.
    """
    try:
        document = model.model_json_schema(mode="validation")
    except PydanticUserError as error:
        raise CannotCheck(
            f"model {model.__name__}: pydantic can't describe it: {error.message}; give that field's type a "
            "JSON schema (pydantic.WithJsonSchema)"
        ) from error
    found: dict[str, Read] = {}
    for path, read in _inside(document, document, "", required=True, above=()):
        found[path] = _either(found[path], read) if path in found else read
    return found


def _inside(
    schema: Any, document: Any, path: str, *, required: bool, above: tuple[str, ...]
) -> Iterator[tuple[str, Read]]:
    leaves = list(_leaves(schema, document, above))
    yield path, _read([leaf for leaf, _ in leaves], required=required)
    objects = [(leaf, names) for leaf, names in leaves if "properties" in leaf]
    for leaf, names in objects:
        for name, inner in leaf["properties"].items():
            always = all(name in other.get("required", ()) for other, _ in objects)
            yield from _inside(inner, document, below(path, name), required=always, above=names)
    for leaf, names in leaves:
        for place, inner in (
            (items(path), leaf.get("items")),
            (values(path), leaf.get("additionalProperties")),
        ):
            if isinstance(inner, dict):
                yield from _inside(inner, document, place, required=False, above=names)


def _leaves(schema: Any, document: Any, above: tuple[str, ...]) -> Iterator[tuple[Any, tuple[str, ...]]]:
    """The alternatives of a type; those that lead back to where they are part of are left out."""
    if "$ref" in schema:
        name = schema["$ref"]
        yield from (
            [({"type": "object"}, above)]
            if name in above
            else _leaves(resolve(schema, document), document, (*above, name))
        )
        return
    branches = [branch for key in ("anyOf", "oneOf") for branch in schema.get(key, ())]
    if not branches:
        yield schema, above
    for branch in branches:
        yield from _leaves(branch, document, above)


def _read(leaves: list[Any], *, required: bool) -> Read:
    listed = [leaf.get("enum", [leaf.get("const")]) for leaf in leaves if "enum" in leaf or "const" in leaf]
    texts = [leaf for leaf in leaves if leaf.get("type", "string") == "string"]
    takes = {kind for leaf in leaves for kind in _takes(leaf)}
    if {leaf.get("type") for leaf in leaves} >= {"number", "string"}:
        takes.discard(Kind.BYTES)  # it is a Decimal: the bytes of one that lost its logical type are none
    return Read(
        required,
        frozenset(takes),
        frozenset(str(value) for one in listed for value in one) if len(listed) == len(texts) > 0 else None,
        any(leaf.get("additionalProperties") is False for leaf in leaves),
    )


def _takes(leaf: Any) -> set[Kind]:
    kind, form = leaf.get("type"), leaf.get("format")
    if kind is None:
        return {Kind.ANY}
    return _TAKES.get(f"{kind}/{form}") or _TAKES[kind]


def _either(one: Read, other: Read) -> Read:
    """The same path in two models of a union."""
    listed = None if one.values is None or other.values is None else one.values | other.values
    return Read(one.required and other.required, one.takes | other.takes, listed, one.closed and other.closed)
