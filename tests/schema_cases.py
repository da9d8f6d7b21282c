"""Changes of schemas with their verdicts, each with its reason.

The unit tests hold our judges against them; the integration tests hold the registry's verdict beside ours.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from doublegate.evolution import Format

Tree = dict[str, Any]


@dataclass(frozen=True)
class Case:
    """One change.

    Attributes:
        name: of the test.
        format: of both.
        old: the earlier version.
        new: the version in question.
        backward: whether the new version reads what the earlier one wrote.
        forward: whether the earlier version reads what the new one writes.
        why: by which rule.
        path: that a finding names.
    """

    name: str
    format: Format
    old: str
    new: str
    backward: bool
    forward: bool
    why: str
    path: str = ""


def record(*fields: Tree, name: str = "Payment", **more: Any) -> Tree:
    return {"type": "record", "name": name, "fields": list(fields), **more}


def field(name: str, kind: Any, **more: Any) -> Tree:
    return {"name": name, "type": kind, **more}


def enum(*symbols: str, **more: Any) -> Tree:
    return {"type": "enum", "name": "Currency", "symbols": list(symbols), **more}


ID = field("id", "string")


def _avro(name: str, old: Any, new: Any, verdicts: str, why: str, path: str = "") -> Case:
    texts = json.dumps(old), json.dumps(new)
    return Case(f"avro-{name}", Format.AVRO, *texts, "b" in verdicts, "f" in verdicts, why, path)


def _changed(name: str, old: Any, new: Any, verdicts: str, why: str, path: str = "x") -> Case:
    return _avro(name, record(ID, field("x", old)), record(ID, field("x", new)), verdicts, why, path)


INNER = record(field("street", "string"), name="Address")
WIDER = record(field("street", "string"), field("zip", "string"), name="Address")
LIST: Tree = record(field("value", "int"), field("next", ["null", "Node"], default=None), name="Node")
LONGER: Tree = record(field("value", "long"), field("next", ["null", "Node"], default=None), name="Node")

AVRO = [
    _avro(
        "add-with-default",
        record(ID),
        record(ID, field("x", "int", default=0)),
        "bf",
        "readers fill it in, others skip it",
    ),
    _avro(
        "add-without-default", record(ID), record(ID, field("x", "int")), "f", "older records lack it", "x"
    ),
    _avro(
        "remove-with-default",
        record(ID, field("x", "int", default=0)),
        record(ID),
        "bf",
        "earlier readers fill it in",
    ),
    _avro(
        "remove-without-default",
        record(ID, field("x", "int")),
        record(ID),
        "b",
        "earlier readers need it",
        "x",
    ),
    _avro(
        "rename",
        record(ID, field("x", "int")),
        record(ID, field("y", "int")),
        "",
        "it is a removal and an addition",
        "y",
    ),
    _avro(
        "rename-with-alias",
        record(ID, field("x", "int")),
        record(ID, field("y", "int", aliases=["x"])),
        "b",
        "a reader knows a writer's field by its alias, earlier readers have none",
        "x",
    ),
    _avro(
        "reorder",
        record(ID, field("x", "int")),
        record(field("x", "int"), ID),
        "bf",
        "names decide, not places",
    ),
    _avro("doc", record(ID), record(ID, doc="text"), "bf", "docs are not compared"),
    _avro(
        "namespace",
        record(ID, namespace="a"),
        record(ID, namespace="b"),
        "bf",
        "names are compared without namespace",
    ),
    _avro("record-name", record(ID), record(ID, name="Charge"), "", "the names of records must match"),
    _avro(
        "record-alias",
        record(ID),
        record(ID, name="Charge", aliases=["Payment"]),
        "b",
        "a reader's alias matches",
    ),
    _changed("int-long", "int", "long", "b", "int promotes to long, never back"),
    _changed("int-double", "int", "double", "b", "int promotes to double"),
    _changed("long-float", "long", "float", "b", "long promotes to float, though digits are lost"),
    _changed("float-double", "float", "double", "b", "float promotes to double"),
    _changed("string-bytes", "string", "bytes", "bf", "they promote both ways"),
    _changed("int-string", "int", "string", "", "no promotion"),
    _changed("boolean-int", "boolean", "int", "", "no promotion"),
    _changed(
        "make-nullable",
        "int",
        ["null", "int"],
        "b",
        "a reader's union takes a plain value, a plain reader no null",
    ),
    _changed("make-not-nullable", ["null", "int"], "int", "f", "the same, seen from the other side"),
    _changed(
        "union-grows", ["null", "int"], ["null", "int", "string"], "b", "earlier readers lack the branch"
    ),
    _changed("union-order", ["null", "int"], ["int", "null"], "bf", "branches are found by type"),
    _changed("union-promotes", ["null", "int"], ["null", "long"], "b", "a branch may be promoted to"),
    _changed("enum-grows", enum("EUR"), enum("EUR", "USD"), "b", "earlier readers lack the symbol"),
    _changed(
        "enum-grows-default",
        enum("EUR", default="EUR"),
        enum("EUR", "USD", default="EUR"),
        "bf",
        "a reader's default stands for symbols that it lacks",
    ),
    _changed("enum-shrinks", enum("EUR", "USD"), enum("EUR"), "f", "the new reader lacks the symbol"),
    _changed("enum-string", enum("EUR"), "string", "", "no promotion from enum to string"),
    _changed(
        "fixed-size",
        {"type": "fixed", "name": "F", "size": 4},
        {"type": "fixed", "name": "F", "size": 8},
        "",
        "sizes must match",
    ),
    _changed(
        "array-items",
        {"type": "array", "items": "int"},
        {"type": "array", "items": "long"},
        "b",
        "items promote",
        "x[]",
    ),
    _changed(
        "map-values",
        {"type": "map", "values": "int"},
        {"type": "map", "values": "string"},
        "",
        "values do not",
        "x{}",
    ),
    _changed(
        "array-map", {"type": "array", "items": "int"}, {"type": "map", "values": "int"}, "", "no promotion"
    ),
    _changed("nested-add", INNER, WIDER, "f", "the nested record's field has no default", "x.zip"),
    _changed("nested-in-union", ["null", INNER], ["null", WIDER], "f", "the same inside of a union", "x.zip"),
    _changed(
        "nested-in-array",
        {"type": "array", "items": INNER},
        {"type": "array", "items": WIDER},
        "f",
        "the same inside of an array",
        "x[].zip",
    ),
    _avro("recursive", LIST, LONGER, "b", "a record that contains itself is compared once", "value"),
    _changed(
        "logical",
        {"type": "long", "logicalType": "timestamp-millis"},
        "long",
        "bf",
        "registries do not compare logical types",
    ),
]


def _json(name: str, old: Any, new: Any, verdicts: str, why: str, path: str = "") -> Case:
    schema = {"$schema": "http://json-schema.org/draft-07/schema#"}
    texts = (json.dumps({**schema, **one}) for one in (old, new))
    return Case(f"json-{name}", Format.JSON, *texts, "b" in verdicts, "f" in verdicts, why, path)


def obj(*required: str, closed: bool = False, **properties: Any) -> Tree:
    more = {"additionalProperties": False} if closed else {}
    return {
        "type": "object",
        "properties": properties,
        **({"required": list(required)} if required else {}),
        **more,
    }


INT, STR, NUM = ({"type": kind} for kind in ("integer", "string", "number"))


def _prop(name: str, old: Any, new: Any, verdicts: str, why: str, path: str = "x") -> Case:
    return _json(name, obj(x=old), obj(x=new), verdicts, why, path)


JSON = [
    _json("same", obj(id=STR), obj(id={**STR, "description": "text"}), "bf", "annotations refuse no value"),
    _json(
        "open-add-optional", obj(id=STR), obj(id=STR, x=INT), "f", "older records may hold anything as x", "x"
    ),
    _json("open-add-anything", obj(id=STR), obj(id=STR, x={}), "bf", "anything was allowed and is"),
    _json(
        "open-remove-optional",
        obj(id=STR, x=INT),
        obj(id=STR),
        "b",
        "new records may hold anything as x",
        "x",
    ),
    _json(
        "closed-add-optional",
        obj(id=STR, closed=True),
        obj(id=STR, x=INT, closed=True),
        "b",
        "earlier readers refuse x",
        "x",
    ),
    _json(
        "closed-add-required",
        obj(id=STR, closed=True),
        obj("x", id=STR, x=INT, closed=True),
        "",
        "older records lack it",
        "x",
    ),
    _json(
        "closed-remove",
        obj(id=STR, x=INT, closed=True),
        obj(id=STR, closed=True),
        "f",
        "the new version refuses x",
        "x",
    ),
    _json("open-close", obj(id=STR), obj(id=STR, closed=True), "f", "older records may have more", "{}"),
    _json("add-required", obj(x=INT), obj("x", x=INT), "f", "older records may lack it", "x"),
    _json("drop-required", obj("x", x=INT), obj(x=INT), "b", "earlier readers need it", "x"),
    _json(
        "partly-open",
        {**obj(id=STR), "additionalProperties": INT},
        {**obj(id=STR, x=INT), "additionalProperties": INT},
        "bf",
        "what was allowed under any name is allowed under this one",
    ),
    _prop("integer-number", INT, NUM, "b", "every integer is a number"),
    _prop("integer-string", INT, STR, "", "types must match"),
    _prop("make-nullable", INT, {"type": ["integer", "null"]}, "b", "earlier readers refuse null"),
    _prop(
        "any-of-nullable",
        {"anyOf": [INT, {"type": "null"}]},
        {"anyOf": [INT, {"type": "null"}, STR]},
        "b",
        "a branch more",
    ),
    _prop("enum-grows", {"enum": ["a"]}, {"enum": ["a", "b"]}, "b", "earlier readers refuse b"),
    _prop("minimum-raised", {**INT, "minimum": 0}, {**INT, "minimum": 5}, "f", "older records may hold less"),
    _prop(
        "max-length-raised",
        {**STR, "maxLength": 5},
        {**STR, "maxLength": 9},
        "b",
        "earlier readers refuse longer ones",
    ),
    _prop("pattern-added", STR, {**STR, "pattern": "^a"}, "f", "older records may break it"),
    _prop(
        "items", {"type": "array", "items": INT}, {"type": "array", "items": NUM}, "b", "items widen", "x[]"
    ),
    _prop("nested", obj(y=INT), obj("y", y=INT), "f", "the nested property became required", "x.y"),
]


def _proto(name: str, old: str, new: str, verdicts: str, why: str, path: str = "") -> Case:
    texts = (f'syntax = "proto3";\n{one}' for one in (old, new))
    return Case(f"proto-{name}", Format.PROTOBUF, *texts, "b" in verdicts, "f" in verdicts, why, path)


def _fields(name: str, old: str, new: str, verdicts: str, why: str, path: str = "M.x") -> Case:
    return _proto(name, f"message M {{ {old} }}", f"message M {{ {new} }}", verdicts, why, path)


PROTOBUF = [
    _fields(
        "add",
        "string id = 1;",
        "string id = 1; int32 x = 2;",
        "bf",
        "unknown numbers are skipped, missing ones default",
    ),
    _fields("remove", "string id = 1; int32 x = 2;", "string id = 1;", "bf", "the same"),
    _fields(
        "remove-reserve",
        "string id = 1; int32 x = 2;",
        "string id = 1; reserved 2; reserved 'x';",
        "bf",
        "the same",
    ),
    _fields("rename", "int32 x = 1;", "int32 y = 1;", "bf", "numbers decide"),
    _fields("int32-int64", "int32 x = 1;", "int64 x = 1;", "bf", "they are the same on the wire"),
    _fields("int32-sint32", "int32 x = 1;", "sint32 x = 1;", "", "they are not the same on the wire"),
    _fields("int32-string", "int32 x = 1;", "string x = 1;", "", "other types on the wire"),
    _fields("string-bytes", "string x = 1;", "bytes x = 1;", "bf", "they are the same on the wire"),
    _fields("float-double", "float x = 1;", "double x = 1;", "", "4 bytes against 8"),
    _fields("repeat-number", "int32 x = 1;", "repeated int32 x = 1;", "", "numbers are packed when repeated"),
    _fields(
        "map-values",
        "map<string, int32> x = 1;",
        "map<string, string> x = 1;",
        "",
        "other types on the wire",
        "M.x{}",
    ),
    _fields(
        "into-one-of",
        "int32 x = 1; int32 y = 2;",
        "oneof o { int32 x = 1; int32 y = 2; }",
        "f",
        "both may be set in older messages",
        "M.o",
    ),
    _fields(
        "single-into-one-of",
        "int32 x = 1;",
        "oneof o { int32 x = 1; }",
        "bf",
        "one field alone loses nothing",
    ),
    _fields(
        "one-of-grows",
        "oneof o { int32 x = 1; }",
        "oneof o { int32 x = 1; int32 y = 2; }",
        "b",
        "earlier readers find the oneof unset",
        "M.y",
    ),
    _proto(
        "add-message",
        "message M { int32 x = 1; }",
        "message M { int32 x = 1; } message N {}",
        "b",
        "earlier readers do not know a payload of it",
        "N",
    ),
    _proto(
        "package",
        "package a; message M { int32 x = 1; }",
        "package b; message M { int32 x = 1; }",
        "",
        "it is part of every message's name",
    ),
    _proto(
        "enum-grows",
        "message M { E x = 1; } enum E { A = 0; }",
        "message M { E x = 1; } enum E { A = 0; B = 1; }",
        "bf",
        "unknown numbers are kept",
    ),
]

CASES = [*AVRO, *JSON, *PROTOBUF]

# Where Apicurio 3 differs: backward, forward, and why ours stays.
APICURIO = {
    "json-open-add-anything": (False, True, "it takes every added property for a narrower one"),
    "json-make-nullable": (False, False, "it does not compare one type with several"),
    "proto-add": (True, False, "it wants numbers of removed fields reserved, seen from the new version too"),
    "proto-remove": (False, True, "it wants the number reserved, which the wire does not need"),
    "proto-remove-reserve": (True, False, "seen from the earlier version, a reserved number is used"),
    "proto-rename": (False, False, "it wants names kept; ours are checked where consumers read them"),
    "proto-int32-int64": (False, False, "it wants types kept, also those that are the same on the wire"),
    "proto-string-bytes": (False, False, "the same"),
    "proto-into-one-of": (True, True, "it does not look at oneofs"),
    "proto-add-message": (True, True, "it does not look at messages that one version lacks"),
    "proto-package": (True, True, "it does not look at packages"),
    "proto-enum-grows": (True, False, "it wants numbers of removed values reserved"),
}
