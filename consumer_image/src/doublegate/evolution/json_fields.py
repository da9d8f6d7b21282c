"""The fields of a JSON Schema."""

from collections.abc import Iterator
from typing import Any

from doublegate.contract.record import Field, Kind
from doublegate.evolution.json_parts import resolve, types_of
from doublegate.evolution.paths import below, items, values

__all__ = ["json_fields"]

_BRANCHES = ("anyOf", "oneOf", "allOf")


def json_fields(document: Any) -> Iterator[tuple[str, Field]]:
    """Each field with its path. A definition inside itself is not entered again."""
    yield from _inside(document, document, "", ())


def _inside(schema: Any, document: Any, path: str, above: tuple[str, ...]) -> Iterator[tuple[str, Field]]:
    for branch, names in _flat(schema, document, above):
        required = branch.get("required", ())
        for name, inner in branch.get("properties", {}).items():
            place, always = below(path, name), name in required
            yield place, _field(inner, document, always=always)
            yield from _inside(inner, document, place, names)
        for place, inner in (
            (items(path), branch.get("items")),
            (values(path), branch.get("additionalProperties")),
        ):
            if isinstance(inner, dict) and inner:
                yield place, _field(inner, document, always=True)
                yield from _inside(inner, document, place, names)


def _flat(schema: Any, document: Any, above: tuple[str, ...]) -> Iterator[tuple[Any, tuple[str, ...]]]:
    """The schema and every alternative in it, with the definitions that led there."""
    if isinstance(schema, dict) and "$ref" in schema:
        if schema["$ref"] in above:
            return
        above = (*above, schema["$ref"])
        schema = resolve(schema, document)
    if not isinstance(schema, dict):
        return
    yield schema, above
    for key in _BRANCHES:
        for branch in schema.get(key, ()):
            yield from _flat(branch, document, above)


def _field(schema: Any, document: Any, *, always: bool) -> Field:
    leaves = [leaf for leaf, _ in _flat(schema, document, ()) if not any(key in leaf for key in _BRANCHES)]
    kinds = frozenset(kind for leaf in leaves for kind in _kinds(leaf)) or frozenset({Kind.ANY})
    listed = [leaf.get("enum", [leaf.get("const")]) for leaf in leaves if "enum" in leaf or "const" in leaf]
    strings = [leaf for leaf in leaves if Kind.STRING in _kinds(leaf)]
    return Field(
        type=" | ".join(sorted(kinds)),
        kinds=kinds,
        always=always,
        values=frozenset(str(value) for one in listed for value in one if value is not None)
        if len(listed) == len(strings) > 0
        else None,
        note="required" if always else "",
    )


def _kinds(leaf: Any) -> set[Kind]:
    if "type" in leaf:
        return set(map(Kind, types_of(leaf)))
    listed = leaf.get("enum", [leaf["const"]] if "const" in leaf else [])
    return {_kind_of_value(value) for value in listed} or {Kind.ANY}


def _kind_of_value(value: Any) -> Kind:
    if value is None:
        return Kind.NULL
    kinds = {bool: Kind.BOOLEAN, int: Kind.INTEGER, float: Kind.NUMBER, str: Kind.STRING, list: Kind.ARRAY}
    return kinds.get(type(value), Kind.OBJECT)
