"""Which versions a level looks at, and what else is no matter of one format."""

from __future__ import annotations

import json
from typing import Any

import pytest

from doublegate.contract.kafka_spec import Compatibility
from doublegate.evolution import CannotCheck, Format, Schema, Version, compare, diff, read_schema


def avro(*fields: dict[str, Any]) -> Schema:
    return read_schema(json.dumps({"type": "record", "name": "P", "fields": list(fields)}), Format.AVRO, "it")


def json_schema(**tree: Any) -> Schema:
    return read_schema(json.dumps(tree), Format.JSON, "it")


A = avro({"name": "a", "type": "int"})
AB = avro({"name": "a", "type": "int"}, {"name": "b", "type": "int", "default": 0})
B = avro({"name": "b", "type": "int", "default": 0})
EARLIER = [Version("newest", B), Version("oldest", A)]


@pytest.mark.parametrize(
    ("level", "against"),
    [
        (Compatibility.BACKWARD, []),
        (Compatibility.BACKWARD_TRANSITIVE, []),
        (Compatibility.FORWARD, []),
        (Compatibility.FORWARD_TRANSITIVE, ["oldest"]),
        (Compatibility.FULL, []),
        (Compatibility.FULL_TRANSITIVE, ["oldest"]),
        (Compatibility.NONE, []),
    ],
)
def test_only_transitive_levels_look_further_back(level: Compatibility, against: list[str]) -> None:
    new = avro({"name": "c", "type": "int", "default": 0})  # readers of the oldest need a
    assert [finding.against for finding in compare(new, EARLIER, level)] == against


def test_another_format_is_another_subject() -> None:
    [finding] = compare(json_schema(type="object"), [Version("v", A)], Compatibility.BACKWARD)
    assert finding.rule == "format-changed"
    assert "it was AVRO and is JSON" in finding.what


@pytest.mark.parametrize(
    ("text", "kind", "message"),
    [
        ("{", Format.AVRO, "it is not JSON"),
        ('{"type": "record"}', Format.AVRO, "no Avro schema"),
        ('{"type": "record", "name": "A", "fields": [{"name": "x", "type": "Other"}]}', Format.AVRO, "Other"),
        ('{"type": "no such"}', Format.JSON, "no JSON Schema"),
        ('{"$schema": "http://json-schema.org/draft-03/schema#", "required": true}', Format.JSON, "draft 3"),
        ("message {", Format.PROTOBUF, "protoc refuses it"),
        ('syntax = "proto3"; import "other.proto";', Format.PROTOBUF, "define in it what it imports"),
    ],
)
def test_what_is_no_schema_says_what_to_do(text: str, kind: Format, message: str) -> None:
    with pytest.raises(CannotCheck, match=message) as caught:
        read_schema(text, kind, "pay.avsc")
    assert str(caught.value).startswith("pay.avsc: ")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ({"not": {"type": "null"}}, {}, "`not` is used"),
        ({"anyOf": [{}], "minimum": 1}, {"type": "string"}, "`anyOf` stands beside"),
        (
            {"type": "object"},
            {"oneOf": [{"type": "object"}, {"type": "object", "required": ["a"]}]},
            "say `anyOf`",
        ),
        ({"type": "array", "items": [{}]}, {"type": "array"}, "`items` is a list"),
        ({"$ref": "other.json"}, {"type": "string"}, "leads out of the schema"),
    ],
)
def test_what_is_not_judged_is_refused_aloud(old: Any, new: Any, message: str) -> None:
    versions = [Version("commit 1a2b3c4", json_schema(**old))]
    with pytest.raises(CannotCheck, match=f"against commit 1a2b3c4: .*{message}"):
        compare(json_schema(**new), versions, Compatibility.FULL)


def test_what_is_not_judged_and_not_changed_is_compatible() -> None:
    odd = {"type": "object", "properties": {"x": {"not": {"type": "null"}}}}
    more = {**odd, "properties": {**odd["properties"], "y": {}}}  # type: ignore[dict-item]
    assert compare(json_schema(**more), [Version("v", json_schema(**odd))], Compatibility.FULL) == []


def test_json_references_and_what_contains_itself() -> None:
    def tree(kind: str) -> Schema:
        node = {"type": "object", "properties": {"value": {"type": kind}, "next": {"$ref": "#/$defs/node"}}}
        return json_schema(**{"$ref": "#/$defs/node", "$defs": {"node": node}})

    integers, numbers = tree("integer"), tree("number")
    assert compare(numbers, [Version("v", integers)], Compatibility.BACKWARD) == []
    [finding] = compare(numbers, [Version("v", integers)], Compatibility.FORWARD)
    assert finding.path == "value"


def test_protobuf_may_import_googles_own() -> None:
    text = """syntax = "proto3"; import "google/protobuf/timestamp.proto";
    message M { google.protobuf.Timestamp at = 1; }"""
    assert list(diff(*[read_schema(text, Format.PROTOBUF, "it")] * 2)) == []


def test_proto2_required_fields() -> None:
    old, new = (
        read_schema(f'syntax = "proto2"; message M {{ {label} int32 x = 1; }}', Format.PROTOBUF, "it")
        for label in ("optional", "required")
    )
    [finding] = compare(new, [Version("v", old)], Compatibility.FULL)
    assert (finding.rule, finding.path) == ("required-field", "M.x")


def test_diff_is_by_field() -> None:
    assert list(map(str, diff(A, AB))) == ["+ b: int, default 0"]
    assert list(map(str, diff(AB, B))) == ["- a: int"]
    longer = avro({"name": "a", "type": ["null", {"type": "long", "logicalType": "timestamp-millis"}]})
    assert list(map(str, diff(A, longer))) == ["~ a: int -> null | long timestamp-millis"]
