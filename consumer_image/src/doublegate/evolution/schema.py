"""A schema as the checks take it: its format, its text, and what a library made of it."""

import json
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import fastavro
from fastavro.schema import SchemaParseException
from jsonschema.exceptions import SchemaError as JsonSchemaError  # type: ignore[import-untyped]
from jsonschema.validators import Draft3Validator, Draft7Validator, validator_for  # type: ignore[import-untyped]

from doublegate.evolution.errors import CannotCheck

__all__ = ["SUFFIXES", "Avro", "Format", "Schema", "read_schema"]


class Format(StrEnum):
    """The registry's names of the formats."""

    AVRO = "AVRO"
    JSON = "JSON"
    PROTOBUF = "PROTOBUF"


SUFFIXES = {".avsc": Format.AVRO, ".json": Format.JSON, ".proto": Format.PROTOBUF}


@dataclass(frozen=True, slots=True)
class Avro:
    """An Avro schema with full names, and the types that it names."""

    root: Any
    names: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Schema:
    """One version of a subject's schema.

    Attributes:
        format: decides on who judges it.
        text: as the file or the registry has it.
        tree: an `Avro`, a JSON Schema, or a Protobuf `FileDescriptorProto`.
    """

    format: Format
    text: str
    tree: Any


def read_schema(text: str, kind: Format, label: str) -> Schema:
    """Parse a schema.

    Args:
        text: the schema; for Protobuf also a serialised descriptor in base64, as registries keep it.
        kind: its format.
        label: what messages call it.

    Raises:
        CannotCheck: it is no schema, or it refers to other files.
    """
    if kind is Format.PROTOBUF:
        from doublegate.evolution.protoc import descriptor_of  # noqa: PLC0415 - an optional dependency

        return Schema(kind, text, descriptor_of(text, label))
    try:
        body = json.loads(text)
    except ValueError as error:
        raise CannotCheck(f"{label}: it is not JSON: {error}; correct the file") from error
    return Schema(kind, text, _avro(body, label) if kind is Format.AVRO else _json(body, label))


def _avro(body: Any, label: str) -> Avro:
    names: dict[str, Any] = {}
    try:
        return Avro(fastavro.parse_schema(body, names), names)
    except fastavro.schema.UnknownType as error:
        raise CannotCheck(
            f"{label}: the Avro type {error.name} is not defined in it; define every type in the same file"
        ) from error
    except (SchemaParseException, ValueError, KeyError, TypeError) as error:
        what = str(error) or type(error).__name__
        raise CannotCheck(f"{label}: it is no Avro schema: {what}; correct the file") from error


def _json(body: Any, label: str) -> Any:
    validator = validator_for(body, default=Draft7Validator)
    if validator is Draft3Validator:
        raise CannotCheck(
            f"{label}: JSON Schema's draft 3 can't be judged; write it in draft 7 or a later one"
        )
    try:
        validator.check_schema(body)
    except JsonSchemaError as error:
        raise CannotCheck(
            f"{label}: it is no JSON Schema: {error.json_path}: {error.message}; correct the file"
        ) from error
    return body
