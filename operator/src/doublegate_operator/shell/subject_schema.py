"""The subject's latest schema, and which fields it describes; only `doublegate.evolution` can read one."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING

from confluent_kafka.schema_registry import SchemaRegistryError

from doublegate.evolution import CannotCheck, Format, fields_of, read_registered, registered_descriptor
from doublegate_operator.core.facts import LatestSchema

if TYPE_CHECKING:
    from collections.abc import Mapping

    from confluent_kafka.schema_registry import Schema, SchemaRegistryClient

    from doublegate.contract.record import Field

__all__ = ["latest_schema"]


def latest_schema(client: SchemaRegistryClient, subject: str) -> LatestSchema | None:
    """The newest version; None when the subject has none yet."""
    try:
        found = client.get_latest_version(subject)
    except SchemaRegistryError as error:
        if error.http_status_code != HTTPStatus.NOT_FOUND:
            raise
        return None
    version = found.version or 0
    try:
        return LatestSchema(version, _fields(found.schema, f"version {version} of subject {subject}"))
    except CannotCheck as error:
        return LatestSchema(version, unclear=str(error))
    except Exception as error:  # noqa: BLE001 - it may be anybody's, and of any draft
        return LatestSchema(version, unclear=f"reading version {version} fails with {type(error).__name__}")


def _fields(schema: Schema, label: str) -> Mapping[str, Field]:
    if schema.schema_type == Format.PROTOBUF and registered_descriptor(schema.schema_str or "") is None:
        # What consumers can't decode either; and this image has no protoc to compile it.
        raise CannotCheck(
            f"{label} is .proto text; register its serialised descriptor, with `doublegate schema register`"
        )
    return fields_of(read_registered(schema, label))
