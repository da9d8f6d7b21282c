"""What nobody can read is told and ends no look; what a real registry holds is tested in `integration`."""

from __future__ import annotations

import json
from typing import Any

import pytest
from confluent_kafka.schema_registry import RegisteredSchema, Schema, SchemaRegistryError

from doublegate_operator.shell.subject_schema import latest_schema

DRAFT_3 = """{"$schema": "http://json-schema.org/draft-03/schema#",
"properties": {"a": {"properties": {"b": {"type": "string"}}, "required": true}}}"""


class Holding:
    """A client of a registry that holds one schema, or answers with an error."""

    def __init__(self, held: Schema | SchemaRegistryError) -> None:
        self._held = held

    def get_latest_version(self, subject: str) -> RegisteredSchema:
        if isinstance(self._held, SchemaRegistryError):
            raise self._held
        return RegisteredSchema(guid=None, schema_id=1, schema=self._held, subject=subject, version=7)


def ask(held: Schema | SchemaRegistryError) -> Any:
    return latest_schema(Holding(held), "payments-value")  # type: ignore[arg-type]


def doubling(levels: int) -> dict[str, Any]:
    """Each type holds the next one twice."""
    inner = "int" if levels == 0 else doubling(levels - 1)
    again = "int" if levels == 0 else f"T{levels - 1}"
    fields = [{"name": "a", "type": inner}, {"name": "b", "type": again}]
    return {"type": "record", "name": f"T{levels}", "fields": fields}


@pytest.mark.parametrize(
    ("text", "kind", "told"),
    [
        ("{", "AVRO", "version 7 of subject payments-value: it is not JSON"),
        ('{"type": "record"}', "AVRO", "it is no Avro schema"),
        ("[" * 100_000, "JSON", "reading version 7 fails with RecursionError"),
        (DRAFT_3, "JSON", "draft 3"),
        (json.dumps(doubling(40)), "AVRO", "more than 10000 fields"),
        ("<xs:schema/>", "XSD", "is of the format XSD"),
        ('syntax = "proto3";', "PROTOBUF", "is .proto text"),
    ],
)
def test_what_cannot_be_read_is_unclear(text: str, kind: str, told: str) -> None:
    found = ask(Schema(text, kind))
    assert found.version == 7
    assert told in found.unclear


def test_a_subject_that_is_not_there_has_no_schema() -> None:
    assert ask(SchemaRegistryError(404, 40401, "Subject not found")) is None


@pytest.mark.parametrize("status", [401, 500])
def test_another_answer_is_the_registry_s_failure(status: int) -> None:
    with pytest.raises(SchemaRegistryError):
        ask(SchemaRegistryError(status, status * 100, "no"))
