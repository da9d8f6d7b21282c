"""Avro verdicts against Avro's own library, and against fastavro, which reads what the other schema wrote."""

from __future__ import annotations

import json
from io import BytesIO
from typing import Any

import avro.compatibility
import avro.schema
import fastavro
from fastavro.utils import generate_one
from hypothesis import given, settings
from hypothesis import strategies as st

from doublegate.contract.kafka_spec import Compatibility
from doublegate.evolution import Format, Version, clashes, compare, read_schema

PLAIN = {
    "int": 1,
    "long": 2,
    "float": 1.5,
    "double": 2.5,
    "string": "s",
    "boolean": True,
}
NAMES = ["a", "b", "c"]


@st.composite
def kinds(draw: Any, name: str, depth: int = 2) -> tuple[Any, Any]:
    """A type and a default of it; what is named is named after its place, so that two schemas may match."""
    shape = draw(
        st.sampled_from(["plain", "plain", "null", "enum", "array", "map", "record"][: 7 if depth else 4])
    )
    if shape == "plain":
        kind = draw(st.sampled_from(list(PLAIN)))
        return kind, PLAIN[kind]
    if shape == "null":
        inner, _ = draw(kinds(name, 0).filter(lambda found: not isinstance(found[0], list)))
        return ["null", inner], None
    if shape == "enum":
        symbols = draw(st.lists(st.sampled_from("ABC"), min_size=1, unique=True))
        more = {"default": symbols[0]} if draw(st.booleans()) else {}
        return {"type": "enum", "name": f"E{name}", "symbols": symbols, **more}, symbols[0]
    if shape in ("array", "map"):
        inner, _ = draw(kinds(f"{name}i", depth - 1))
        return {
            "type": shape,
            {"array": "items", "map": "values"}[shape]: inner,
        }, [] if shape == "array" else {}
    inner = draw(records(f"R{name}", depth - 1))
    return ["null", inner], None


@st.composite
def records(draw: Any, name: str, depth: int = 2) -> dict[str, Any]:
    fields = []
    for field in draw(st.lists(st.sampled_from(NAMES), unique=True)):
        kind, default = draw(kinds(f"{name}{field}", depth))
        fields.append({"name": field, "type": kind, **({"default": default} if draw(st.booleans()) else {})})
    return {"type": "record", "name": name, "fields": fields}


def judged(reader: Any, writer: Any) -> bool:
    texts = (json.dumps(one) for one in (reader, writer))
    return not list(clashes(*(read_schema(text, Format.AVRO, "it") for text in texts)))


def as_avros_library_judges(reader: Any, writer: Any) -> bool:
    schemas = (avro.schema.parse(json.dumps(one)) for one in (reader, writer))
    result = avro.compatibility.ReaderWriterCompatibilityChecker().get_compatibility(*schemas)
    return result.compatibility is avro.compatibility.SchemaCompatibilityType.compatible


@given(reader=records("R"), writer=records("R"))
@settings(max_examples=300, deadline=None)
def test_verdicts_are_those_of_avros_library(reader: Any, writer: Any) -> None:
    assert judged(reader, writer) == as_avros_library_judges(reader, writer)


@given(reader=records("R"), writer=records("R"))
@settings(max_examples=300, deadline=None)
def test_what_is_compatible_is_read_by_fastavro(reader: Any, writer: Any) -> None:
    if not judged(reader, writer):
        return
    written, read = fastavro.parse_schema(writer), fastavro.parse_schema(reader)
    for _ in range(3):
        stream = BytesIO()
        fastavro.schemaless_writer(stream, written, generate_one(written))
        stream.seek(0)
        found = fastavro.schemaless_reader(stream, written, read)
        assert isinstance(found, dict)
        assert set(found) == {field["name"] for field in reader["fields"]}


@given(schema=records("R"), kind=kinds("new"))
@settings(max_examples=100, deadline=None)
def test_a_new_field_with_a_default_is_always_fully_compatible(schema: Any, kind: tuple[Any, Any]) -> None:
    wider = {**schema, "fields": [*schema["fields"], {"name": "new", "type": kind[0], "default": kind[1]}]}
    old, new = (read_schema(json.dumps(one), Format.AVRO, "it") for one in (schema, wider))
    for one, other in ((old, new), (new, old)):
        assert compare(other, [Version("v", one)], Compatibility.FULL_TRANSITIVE) == []


@given(schema=records("R"))
@settings(max_examples=50, deadline=None)
def test_a_schema_is_compatible_with_itself(schema: Any) -> None:
    assert judged(schema, schema)
