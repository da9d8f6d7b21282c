"""Schemas against a real registry: what the client's own serialisers write is what we read."""

from __future__ import annotations

import json
import uuid
from typing import TYPE_CHECKING, Any

import pytest
from confluent_kafka.schema_registry.protobuf import ProtobufSerializer
from confluent_kafka.serialization import MessageField, SerializationContext
from google.protobuf import descriptor_pb2, message_factory
from google.protobuf.descriptor_pool import DescriptorPool
from pydantic import BaseModel

from doublegate.local.model import Service
from doublegate.schemas import (
    Decoder,
    Encoder,
    Incompatible,
    Registry,
    SchemaBroken,
    SchemaUnavailable,
    Unencodable,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from doublegate.local.model import Endpoints
    from doublegate.local.stack import Stack

FIELDS: list[dict[str, Any]] = [{"name": "carrier", "type": "string"}, {"name": "flight", "type": "int"}]
JSON = {
    "$schema": "http://json-schema.org/draft-07/schema#",
    "title": "Flight",
    "type": "object",
    "properties": {"carrier": {"type": "string"}, "flight": {"type": "integer"}},
    "required": ["carrier"],
}


class Flight(BaseModel):
    carrier: str
    flight: int


def avro(*more: dict[str, Any]) -> str:
    return json.dumps({"type": "record", "name": "Flight", "fields": [*FIELDS, *more]})


@pytest.fixture
def registry(endpoints: Endpoints) -> Iterator[Registry]:
    registry = Registry(str(endpoints.registry_url), timeout=30)  # its first Protobuf schema is slow
    yield registry
    registry.close()


@pytest.fixture
def subject() -> str:
    return f"s-{uuid.uuid4().hex[:12]}-value"


@pytest.mark.parametrize(("kind", "schema"), [("AVRO", avro()), ("JSON", json.dumps(JSON))])
def test_round_trip(registry: Registry, subject: str, kind: str, schema: str) -> None:
    encoder = Encoder(registry, subject, schema, kind)
    payload = encoder({"carrier": "UA", "flight": 1545})
    assert int.from_bytes(payload[1:5]) == encoder.schema_id
    assert encoder(Flight(carrier="UA", flight=1545)) == payload
    assert Decoder(registry)(payload) == {"carrier": "UA", "flight": 1545}
    assert Decoder(registry, Flight)(payload) == Flight(carrier="UA", flight=1545)


def test_registering_again_gives_the_same_id(registry: Registry, subject: str) -> None:
    first = registry.register(subject, avro(), compatibility="FULL_TRANSITIVE")
    assert registry.register(subject, avro(), compatibility="FULL_TRANSITIVE") == first
    assert registry.level(subject) == "FULL_TRANSITIVE"


def test_a_value_that_does_not_fit_is_refused(registry: Registry, subject: str) -> None:
    encoder = Encoder(registry, subject, avro())
    for value in ({"carrier": "UA"}, {"carrier": "UA", "flight": "x"}, 5, None):
        with pytest.raises(Unencodable, match=subject):
            encoder(value)


def test_old_and_new_payloads_decode_side_by_side(registry: Registry, subject: str) -> None:
    old = Encoder(registry, subject, avro(), compatibility="FULL_TRANSITIVE")
    new = Encoder(registry, subject, avro({"name": "gate", "type": "string", "default": "?"}))
    decode = Decoder(registry)
    assert decode(old({"carrier": "UA", "flight": 1})) == {"carrier": "UA", "flight": 1}
    assert decode(new({"carrier": "UA", "flight": 1, "gate": "B"})) == {
        "carrier": "UA",
        "flight": 1,
        "gate": "B",
    }


def test_an_incompatible_schema_names_subject_level_and_reason(registry: Registry, subject: str) -> None:
    registry.register(subject, avro(), compatibility="FULL_TRANSITIVE")
    with pytest.raises(Incompatible, match=r"FULL_TRANSITIVE.*gate") as caught:
        Encoder(registry, subject, avro({"name": "gate", "type": "string"}))
    assert caught.value.subject == subject


def test_nonsense_is_refused_and_said_so(registry: Registry, subject: str) -> None:
    with pytest.raises(Incompatible, match=subject):
        registry.register(subject, "{nonsense")


def test_protobuf_as_the_clients_serialiser_writes_it(registry: Registry) -> None:
    file = descriptor_pb2.FileDescriptorProto(name="flight.proto", package="shop", syntax="proto3")
    message = file.message_type.add(name="Flight")
    message.field.add(name="carrier", number=1, type=9, label=1)
    pool = DescriptorPool()
    pool.Add(file)
    kind = message_factory.GetMessageClass(pool.FindMessageTypeByName("shop.Flight"))
    write = ProtobufSerializer(kind, registry.client)
    payload = write(
        kind(carrier="UA"), SerializationContext(f"t-{uuid.uuid4().hex[:12]}", MessageField.VALUE)
    )
    assert payload is not None
    assert Decoder(registry)(payload) == {"carrier": "UA"}


def test_an_unknown_id_waits_and_a_cut_payload_is_broken(registry: Registry, subject: str) -> None:
    payload = Encoder(registry, subject, avro())({"carrier": "UA", "flight": 1545})
    with pytest.raises(SchemaUnavailable, match="unknown"):
        Decoder(registry)(b"\0\x7f\xff\xff\xff" + payload[5:])
    with pytest.raises(SchemaBroken):
        Decoder(registry)(payload[:-2])


def test_a_registry_that_hangs_is_given_up_and_found_again(
    stack: Stack, endpoints: Endpoints, registry: Registry, subject: str
) -> None:
    payload = Encoder(registry, subject, avro())({"carrier": "UA", "flight": 1})
    impatient = Registry(str(endpoints.registry_url), timeout=0.5, negative_ttl=0.1)
    stack.pause(Service.REGISTRY)
    try:
        assert impatient.check() is not None
        with pytest.raises(SchemaUnavailable, match="does not answer"):
            Decoder(impatient)(payload)
    finally:
        stack.resume(Service.REGISTRY)
    patient = Registry(str(endpoints.registry_url), timeout=20)
    assert patient.check() is None
    assert Decoder(patient)(payload)["carrier"] == "UA"
