"""One reader per schema: what turns a framed payload into a record.

Avro goes to fastavro directly: the client's `AvroDeserializer` expands the schema anew for every message and
is 3 to 6 times slower (measured). A reader raises whatever its library raises; the decoder names it.
"""

import json
from base64 import b64decode
from collections.abc import Callable
from io import BytesIO
from typing import Any

import fastavro
from confluent_kafka.schema_registry import Schema, SchemaRegistryClient
from confluent_kafka.schema_registry.avro import AvroDeserializer
from confluent_kafka.schema_registry.common.protobuf import _init_pool
from confluent_kafka.schema_registry.serde import SchemaId
from google.protobuf import descriptor_pb2, json_format, message_factory
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message import DecodeError, Message
from jsonschema.validators import validator_for  # type: ignore[import-untyped]
from referencing import Registry as References
from referencing import Resource
from referencing.jsonschema import DRAFT7

__all__ = ["PREFIX", "Reader", "reader_of"]

PREFIX = 5
"""The magic byte and the schema id."""

Reader = Callable[[bytes], Any]


def reader_of(schema: Schema, client: SchemaRegistryClient) -> Reader:
    """The reader of payloads written with `schema`; asks `client` for the schemas that it refers to."""
    kind = (schema.schema_type or "AVRO").upper()
    match kind:
        case "AVRO":
            return _avro(schema, client)
        case "JSON":
            return _json(schema, client)
        case "PROTOBUF":
            return _protobuf(schema, client)
    raise ValueError(f"schemas of type {kind} are not supported: AVRO, JSON and PROTOBUF are")


def _avro(schema: Schema, client: SchemaRegistryClient) -> Reader:
    if schema.references:
        resolving: Reader = AvroDeserializer(client)  # it knows how to resolve them
        return resolving
    parsed = fastavro.parse_schema(json.loads(schema.schema_str or ""))
    read = fastavro.schemaless_reader

    def avro(payload: bytes) -> Any:
        stream = BytesIO(payload)
        stream.seek(PREFIX)
        record = read(stream, parsed, None)
        if stream.tell() != len(payload):
            raise ValueError(f"{len(payload) - stream.tell()} bytes are left over")
        return record

    return avro


def _json(schema: Schema, client: SchemaRegistryClient) -> Reader:
    body = json.loads(schema.schema_str or "")
    kind = validator_for(body)
    kind.check_schema(body)
    validator = kind(body, registry=_json_references(schema, client, References()))

    def json_(payload: bytes) -> Any:
        record = json.loads(payload[PREFIX:])
        if (error := next(validator.iter_errors(record), None)) is not None:
            raise ValueError(_why(error))
        return record

    return json_


def _why(error: Any) -> str:
    """Field and rule, not the value, which may be personal data."""
    rule = (
        error.message
        if error.validator == "required"
        else f"not of {error.validator} {error.validator_value}"
    )
    return f"field {error.json_path.removeprefix('$.')}: {rule}"


def _json_references(schema: Schema, client: SchemaRegistryClient, known: References[Any]) -> References[Any]:
    """The referenced schemas, from the registry only: a schema must not make us fetch a URL."""
    for reference in schema.references or ():
        found = client.get_version(reference.subject or "", reference.version or -1, deleted=True)
        known = _json_references(found.schema, client, known)
        content = json.loads(found.schema.schema_str or "")
        resource: Resource[Any] = Resource.from_contents(content, default_specification=DRAFT7)
        known = known.with_resource(reference.name or "", resource)
    return known


def _protobuf(schema: Schema, client: SchemaRegistryClient) -> Reader:
    pool = DescriptorPool()
    _init_pool(pool)
    _protobuf_references(schema, client, pool)
    file = _descriptor("default", schema)
    pool.Add(file)
    classes: dict[tuple[int, ...], type[Message]] = {}

    def protobuf(payload: bytes) -> Any:
        stream = BytesIO(payload)
        frame = SchemaId("PROTOBUF")
        frame.from_bytes(stream)
        place = tuple(frame.message_indexes or (0,))
        message_class = classes.get(place)
        if message_class is None:
            name = _message_name(file, place)
            message_class = classes[place] = message_factory.GetMessageClass(pool.FindMessageTypeByName(name))
        message = message_class()
        try:
            message.ParseFromString(stream.read())
        except DecodeError as error:
            raise ValueError(str(error)) from error
        return json_format.MessageToDict(message, preserving_proto_field_name=True)

    return protobuf


def _message_name(file: descriptor_pb2.FileDescriptorProto, place: tuple[int, ...]) -> str:
    names = [file.package] if file.package else []
    messages = file.message_type
    for index in place:
        if not 0 <= index < len(messages):
            raise ValueError(f"message index {index} is out of range: there are {len(messages)} messages")
        names.append(messages[index].name)
        messages = messages[index].nested_type
    return ".".join(names)


def _protobuf_references(schema: Schema, client: SchemaRegistryClient, pool: DescriptorPool) -> None:
    for reference in schema.references or ():
        name = reference.name or ""
        if name.startswith(("google/", "confluent/")):
            continue  # in the pool from the start
        found = client.get_version(reference.subject or "", reference.version or -1, deleted=True)
        _protobuf_references(found.schema, client, pool)
        pool.Add(_descriptor(name, found.schema))


def _descriptor(name: str, schema: Schema) -> descriptor_pb2.FileDescriptorProto:
    try:
        file = descriptor_pb2.FileDescriptorProto.FromString(
            b64decode(schema.schema_str or "", validate=True)
        )
    except (ValueError, DecodeError) as error:
        raise ValueError(
            "the registry holds this Protobuf schema as .proto text; register its serialised descriptor, as "
            "confluent-kafka's ProtobufSerializer does (Apicurio's conversion fails for files with a package)"
        ) from error
    file.name = name
    return file
