"""Payloads: what decodes, what is broken, and what the error says."""

import base64
import io
import json
import struct
from typing import Any

import fastavro
import pytest
from confluent_kafka.schema_registry import Schema
from google.protobuf import descriptor_pb2, message_factory
from google.protobuf.descriptor_pool import DescriptorPool
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from pydantic import BaseModel

from doublegate.schemas import Decoder, NotFramed, Registry, SchemaBroken, SchemaUnavailable, build_decoder
from tests.unit.schemas.conftest import Client

AVRO = {
    "type": "record",
    "name": "Flight",
    "fields": [
        {"name": "carrier", "type": "string"},
        {"name": "flight", "type": "int"},
        {"name": "delay", "type": ["null", "double"]},
    ],
}
JSON = {
    "type": "object",
    "properties": {"carrier": {"type": "string"}, "flight": {"type": "integer"}},
    "required": ["carrier"],
}
RECORD = {"carrier": "UA", "flight": 1545, "delay": 2.5}
FRAME = struct.Struct(">bI")


class Flight(BaseModel):
    carrier: str
    flight: int


class Numbered(BaseModel):
    carrier: int


def avro(record: dict[str, Any], schema_id: int = 1) -> bytes:
    stream = io.BytesIO()
    fastavro.schemaless_writer(stream, fastavro.parse_schema(AVRO), record)
    return FRAME.pack(0, schema_id) + stream.getvalue()


@pytest.fixture
def decoder(client: Client, registry: Registry) -> Decoder:
    client.schemas = {1: Schema(json.dumps(AVRO), "AVRO"), 2: Schema(json.dumps(JSON), "JSON")}
    return Decoder(registry)


def test_avro_to_record_and_model(decoder: Decoder, registry: Registry, client: Client) -> None:
    assert decoder(avro(RECORD)) == RECORD
    assert decoder(avro(RECORD)) == RECORD
    assert Decoder(registry, Flight)(avro(RECORD)) == Flight(carrier="UA", flight=1545)
    assert client.asked == 1


@pytest.mark.parametrize("payload", [b"", b"\x00\x00", b"\x01" + avro(RECORD)[1:], b'{"carrier": "UA"}'])
def test_unframed(decoder: Decoder, payload: bytes) -> None:
    with pytest.raises(NotFramed, match="magic byte"):
        decoder(payload)


@pytest.mark.parametrize(
    "payload",
    [avro(RECORD)[:7], avro(RECORD)[:5], avro(RECORD) + b"x", avro(RECORD)[:5] + b"\xff" * 20],
)
def test_avro_that_does_not_decode(decoder: Decoder, payload: bytes) -> None:
    with pytest.raises(SchemaBroken, match="schema id 1"):
        decoder(payload)


@given(body=st.binary(max_size=60))
@example(body=b"\xfe\xff\xff\xff\xff\xff\xff\xff\xff\x01")
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_no_body_gets_past_the_typed_errors(decoder: Decoder, body: bytes) -> None:
    for schema_id in (1, 2):
        try:
            decoder(FRAME.pack(0, schema_id) + body)
        except SchemaBroken:
            continue


def test_json_is_validated_and_the_message_names_the_field_not_the_value(decoder: Decoder) -> None:
    assert decoder(FRAME.pack(0, 2) + b'{"carrier": "UA", "flight": 1}') == {"carrier": "UA", "flight": 1}
    with pytest.raises(SchemaBroken, match=r"field flight: not of type integer") as caught:
        decoder(FRAME.pack(0, 2) + b'{"carrier": "UA", "flight": "secret"}')
    assert "secret" not in str(caught.value)
    with pytest.raises(SchemaBroken, match="'carrier' is a required property"):
        decoder(FRAME.pack(0, 2) + b"{}")
    with pytest.raises(SchemaBroken, match="schema id 2"):
        decoder(FRAME.pack(0, 2) + b"{")


def test_a_model_that_refuses_names_the_field_not_the_value(decoder: Decoder, registry: Registry) -> None:
    with pytest.raises(SchemaBroken, match=r"no Numbered: field carrier: ") as caught:
        Decoder(registry, Numbered)(avro(RECORD))
    assert "UA" not in str(caught.value)


def protobuf_file() -> descriptor_pb2.FileDescriptorProto:
    file = descriptor_pb2.FileDescriptorProto(name="flight.proto", package="shop", syntax="proto3")
    first = file.message_type.add(name="Other")
    first.field.add(name="x", number=1, type=5, label=1)
    inner = file.message_type.add(name="Flight").nested_type.add(name="Leg")
    inner.field.add(name="carrier", number=1, type=9, label=1)
    return file


def test_protobuf_by_its_message_index(decoder: Decoder, client: Client) -> None:
    file = protobuf_file()
    client.schemas[3] = Schema(base64.b64encode(file.SerializeToString()).decode(), "PROTOBUF")
    pool = DescriptorPool()
    pool.Add(file)
    leg = message_factory.GetMessageClass(pool.FindMessageTypeByName("shop.Flight.Leg"))(carrier="UA")
    body = leg.SerializeToString()
    assert decoder(FRAME.pack(0, 3) + b"\x04\x02\x00" + body) == {"carrier": "UA"}
    with pytest.raises(SchemaBroken, match="out of range"):
        decoder(FRAME.pack(0, 3) + b"\x02\x12" + body)
    with pytest.raises(SchemaBroken, match="schema id 3"):
        decoder(FRAME.pack(0, 3) + b"\x04\x02\x00" + body[:-1])


@pytest.mark.parametrize(
    ("schema", "why"),
    [
        (Schema("syntax = 'proto3'; message F {}", "PROTOBUF"), "serialised descriptor"),
        (Schema("{", "AVRO"), "can't be used"),
        (Schema("<x/>", "XSD"), "type XSD"),
    ],
)
def test_a_schema_that_cannot_be_used_is_not_the_events_fault(
    decoder: Decoder, client: Client, schema: Schema, why: str
) -> None:
    client.schemas[4] = schema
    for _ in range(3):
        with pytest.raises(SchemaUnavailable, match=why):
            decoder(FRAME.pack(0, 4) + b"x")
    assert client.asked == 1


def test_what_the_annotation_asks_for(registry: Registry, decoder: Decoder) -> None:
    assert build_decoder(registry)(avro(RECORD)) == RECORD
    assert build_decoder(registry, dict)(avro(RECORD)) == RECORD
    assert build_decoder(registry, Flight)(avro(RECORD)) == Flight(carrier="UA", flight=1545)
    assert build_decoder(registry, bytes)(b"anything") == b"anything"


def test_without_a_registry_payloads_are_json_or_bytes() -> None:
    assert build_decoder(None)(b"anything") == b"anything"
    assert build_decoder(None, dict)(b'{"a": 1}') == {"a": 1}
    assert build_decoder(None, Flight)(b'{"carrier": "UA", "flight": 1}') == Flight(carrier="UA", flight=1)
    with pytest.raises(SchemaBroken, match="not JSON"):
        build_decoder(None, dict)(b"\xff")
    with pytest.raises(SchemaBroken, match="field flight"):
        build_decoder(None, Flight)(b'{"carrier": "UA"}')
    with pytest.raises(SchemaBroken, match="no Flight"):
        build_decoder(None, Flight)(b"{")
