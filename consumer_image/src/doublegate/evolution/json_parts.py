"""The small parts of JSON Schema that both the checks and the list of fields need."""

import json
from typing import Any

from doublegate.evolution.errors import CannotCheck

__all__ = ["ANNOTATIONS", "TYPES", "bare", "one_type", "resolve", "told", "types_of"]

TYPES = ("null", "boolean", "integer", "number", "string", "array", "object")
ANNOTATIONS = {
    "$schema", "$id", "$comment", "title", "description", "default", "examples", "deprecated", "readOnly",
    "writeOnly", "format",
}  # fmt: skip
"""They refuse no value. `format` neither: no validator checks it unless it is told to, and ours is not."""

_OF_TYPE = {
    "object": ("properties", "required", "additionalProperties", "minProperties", "maxProperties"),
    "array": ("items", "minItems", "maxItems", "uniqueItems"),
    "string": ("minLength", "maxLength", "pattern"),
    "number": ("minimum", "exclusiveMinimum", "maximum", "exclusiveMaximum", "multipleOf"),
    "integer": ("minimum", "exclusiveMinimum", "maximum", "exclusiveMaximum", "multipleOf"),
}
_TOLD = 60


def resolve(schema: Any, document: Any) -> Any:
    """The schema behind a `$ref`, which must lead to the same document.

    Raises:
        CannotCheck: it leads elsewhere, or to nothing.
    """
    for _ in range(100):
        if not isinstance(schema, dict) or "$ref" not in schema:
            return schema
        target = str(schema["$ref"])
        found: Any = document
        try:
            for part in target.removeprefix("#").split("/")[1:]:
                found = found[part.replace("~1", "/").replace("~0", "~")]
        except (KeyError, TypeError, IndexError):
            found = None
        if found is None or not target.startswith("#"):
            raise CannotCheck(
                f"the reference {target} leads out of the schema; define it under `$defs` there"
            )
        schema = found
    raise CannotCheck(f"the reference {schema['$ref']} leads back to itself; correct it")


def bare(schema: Any) -> Any:
    """Without what refuses no value; `true` is the empty schema."""
    if schema is True:
        return {}
    if not isinstance(schema, dict):
        return schema
    idle = ANNOTATIONS | {"$defs", "definitions"}
    found = {key: value for key, value in schema.items() if key not in idle and not key.startswith("x-")}
    if found.get("additionalProperties") is True:
        del found["additionalProperties"]
    return found


def types_of(schema: Any) -> tuple[str, ...]:
    """The types that a value may have; a number includes the integers."""
    if not isinstance(schema, dict) or "type" not in schema:
        return () if schema is False else tuple(kind for kind in TYPES if kind != "integer")
    given = schema["type"]
    return tuple(given) if isinstance(given, list) else (given,)


def one_type(schema: Any, kind: str) -> Any:
    """The part of a schema that is about values of one type."""
    return {"type": kind, **{key: schema[key] for key in _OF_TYPE.get(kind, ()) if key in schema}}


def told(schema: Any) -> str:
    """A schema in a few words, for messages."""
    if not isinstance(schema, dict) or not schema:
        return "nothing" if schema is False else "anything"
    if set(schema) == {"type"}:
        return " | ".join(types_of(schema))
    for key in ("anyOf", "oneOf"):
        if key in schema:
            return " | ".join(map(told, schema[key]))
    text = json.dumps(schema.get("enum", schema.get("const", schema)))
    return text if len(text) <= _TOLD else f"{text[:_TOLD]}..."
