"""The fields of an Avro schema, as fastavro decodes them."""

import json
from collections.abc import Iterator
from typing import Any

from doublegate.contract.record import Field, Kind
from doublegate.evolution.avro import branch_name, kind_of
from doublegate.evolution.paths import below, items, values
from doublegate.evolution.schema import Avro

__all__ = ["avro_fields"]

_KINDS = {
    "null": Kind.NULL,
    "boolean": Kind.BOOLEAN,
    "int": Kind.INTEGER,
    "long": Kind.INTEGER,
    "float": Kind.NUMBER,
    "double": Kind.NUMBER,
    "string": Kind.STRING,
    "enum": Kind.STRING,
    "bytes": Kind.BYTES,
    "fixed": Kind.BYTES,
    "array": Kind.ARRAY,
}
# What fastavro turns into an object of its own; other logical types it decodes as if they were none.
_LOGICAL = {
    ("int", "date"): Kind.DATE,
    ("int", "time-millis"): Kind.TIME,
    ("long", "time-micros"): Kind.TIME,
    ("long", "timestamp-millis"): Kind.DATE_TIME,
    ("long", "timestamp-micros"): Kind.DATE_TIME,
    ("long", "local-timestamp-millis"): Kind.DATE_TIME,
    ("long", "local-timestamp-micros"): Kind.DATE_TIME,
    ("bytes", "decimal"): Kind.DECIMAL,
    ("fixed", "decimal"): Kind.DECIMAL,
    ("string", "uuid"): Kind.UUID,
}


def avro_fields(schema: Avro) -> Iterator[tuple[str, Field]]:
    """Each field with its path. A record inside itself is not entered again."""
    yield from _inside(schema.root, schema, "", ())


def _inside(schema: Any, whole: Avro, path: str, above: tuple[str, ...]) -> Iterator[tuple[str, Field]]:
    for branch in _branches(schema, whole):
        match kind_of(branch):
            case "record" | "error" if branch["name"] not in above:
                for field in branch["fields"]:
                    place = below(path, field["name"])
                    yield place, _field(field["type"], whole, _note(field))
                    yield from _inside(field["type"], whole, place, (*above, branch["name"]))
            case "array":
                yield items(path), _field(branch["items"], whole)
                yield from _inside(branch["items"], whole, items(path), above)
            case "map":
                yield values(path), _field(branch["values"], whole)
                yield from _inside(branch["values"], whole, values(path), above)


def _branches(schema: Any, whole: Avro) -> list[Any]:
    branches = schema if isinstance(schema, list) else [schema]
    return [whole.names.get(one, one) if isinstance(one, str) else one for one in branches]


def _field(schema: Any, whole: Avro, note: str = "") -> Field:
    branches = _branches(schema, whole)
    enums = [branch["symbols"] for branch in branches if kind_of(branch) == "enum"]
    strings = [branch for branch in branches if _kind(branch) is Kind.STRING]
    return Field(
        type=" | ".join(map(_named, branches)),
        kinds=frozenset(map(_kind, branches)),
        values=frozenset(symbol for one in enums for symbol in one)
        if len(enums) == len(strings) > 0
        else None,
        note=note,
    )


def _kind(schema: Any) -> Kind:
    kind = kind_of(schema)
    logical = schema.get("logicalType") if isinstance(schema, dict) else None
    return _LOGICAL.get((kind, str(logical))) or _KINDS.get(kind, Kind.OBJECT)


def _named(schema: Any) -> str:
    name = branch_name(schema)
    if not isinstance(schema, dict):
        return name
    if logical := schema.get("logicalType"):
        scale = f"({schema.get('precision')}, {schema.get('scale', 0)})" if logical == "decimal" else ""
        return f"{name} {logical}{scale}"
    return f"{name} ({', '.join(schema['symbols'])})" if kind_of(schema) == "enum" else name


def _note(field: Any) -> str:
    return f"default {json.dumps(field['default'])}" if "default" in field else ""
