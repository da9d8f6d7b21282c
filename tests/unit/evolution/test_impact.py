"""What a change does to a consumer whose fields are declared, although the registry allows it."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal

import pytest
from pydantic import BaseModel, ConfigDict

from doublegate.contract.kafka_spec import Compatibility
from doublegate.evolution import (
    CannotCheck,
    Declaration,
    Format,
    Schema,
    Version,
    broken_by,
    check,
    compare,
    load_declaration,
    read_schema,
)
from doublegate.evolution.repository import Subject
from tests.schema_cases import ID, INNER, enum, field, record


def avro(*fields: dict[str, Any]) -> Schema:
    return read_schema(json.dumps(record(*fields)), Format.AVRO, "it")


class Address(BaseModel):
    street: str


class Payment(BaseModel):
    id: str
    amount: Decimal
    currency: Literal["EUR", "USD"] = "EUR"
    address: Address | None = None


DECIMAL = {"type": "bytes", "logicalType": "decimal", "precision": 10, "scale": 2}
AMOUNT = field("amount", DECIMAL, default="\u0000")
CURRENCY = field("currency", enum("EUR", "USD", default="EUR"), default="EUR")
ADDRESS = field("address", ["null", INNER], default=None)
FIELDS = (ID, AMOUNT, CURRENCY, ADDRESS)
BARE = record(field("zip", "string", default=""), name="Address")


def declared(model: type[BaseModel] = Payment) -> Declaration:
    return Declaration.of("billing", "payments-value", f"billing:{model.__name__}", model)


def test_a_schema_that_has_it_all_breaks_nobody() -> None:
    assert list(broken_by(declared(), avro(*FIELDS, field("more", "int")))) == []


@pytest.mark.parametrize(
    ("fields", "path", "what"),
    [
        ((ID, CURRENCY, ADDRESS), "amount", "requires the field and the schema does not have it"),
        ((ID, field("amount", ["null", DECIMAL], default=None)), "amount", "it may be null"),
        ((ID, field("amount", "bytes", default="")), "amount", "it may be bytes"),
        ((ID, AMOUNT, field("currency", enum("EUR", "USD", "GBP", default="EUR"))), "currency", "may be GBP"),
        (
            (ID, AMOUNT, field("address", ["null", BARE], default=None)),
            "address.street",
            "requires the field",
        ),
        ((ID, AMOUNT, field("address", "string")), "address", "it may be string"),
    ],
)
def test_a_change_that_a_registry_may_allow_breaks_the_consumer(
    fields: tuple[dict[str, Any], ...], path: str, what: str
) -> None:
    [finding] = broken_by(declared(), avro(*fields))
    assert finding.path == path
    assert what in finding.what
    assert finding.against == "consumer billing (model billing:Payment)"
    assert finding.advice


def test_the_registry_does_allow_the_removal_of_a_field_with_a_default() -> None:
    old, new = avro(*FIELDS), avro(ID, CURRENCY, ADDRESS)
    assert compare(new, [Version("v", old)], Compatibility.FULL_TRANSITIVE) == []
    [finding] = broken_by(declared(), new)
    assert finding.path == "amount"


def test_an_optional_field_may_go() -> None:
    assert list(broken_by(declared(), avro(ID, AMOUNT))) == []


def test_a_model_that_refuses_more_is_broken_by_any_new_field() -> None:
    class Strict(BaseModel):
        model_config = ConfigDict(extra="forbid")
        id: str
        labels: dict[str, int]

    labels = field("labels", {"type": "map", "values": "int"})
    assert list(broken_by(declared(Strict), avro(ID, labels))) == []
    [finding] = broken_by(declared(Strict), avro(ID, labels, field("x", "int", default=0)))
    assert (finding.path, finding.rule) == ("x", "consumer-broken")


def test_a_json_property_that_may_be_absent_is_not_to_be_required() -> None:
    class Needs(BaseModel):
        x: int

    tree = {"type": "object", "properties": {"x": {"type": "integer"}}}
    [finding] = broken_by(declared(Needs), read_schema(json.dumps(tree), Format.JSON, "it"))
    assert "records may lack it" in finding.what
    tree["required"] = ["x"]
    assert list(broken_by(declared(Needs), read_schema(json.dumps(tree), Format.JSON, "it"))) == []


def test_a_renamed_protobuf_field_is_another_one_for_the_consumer() -> None:
    class Needs(BaseModel):
        x: int
        tags: list[str]
        sizes: dict[str, int]

    text = """syntax = "proto3";
    message M { int64 NAME = 1; repeated string tags = 2; map<string, int32> sizes = 3; }"""
    old, new = (read_schema(text.replace("NAME", name), Format.PROTOBUF, "it") for name in "xy")
    assert list(broken_by(declared(Needs), old)) == []
    assert compare(new, [Version("v", old)], Compatibility.FULL) == []
    [finding] = broken_by(declared(Needs), new)
    assert finding.path == "x"


def subject(level: Compatibility) -> Subject:
    """The schema has gained the amount, which the consumer requires."""
    earlier = (Version("commit 1a2b3c4", avro(ID)),)
    return Subject("payments-value", Path("s.avsc"), avro(*FIELDS), level, (earlier, ()), (declared(),))


def test_records_of_earlier_versions_must_be_read_too_where_the_level_says_so() -> None:
    [finding] = check(subject(Compatibility.FULL_TRANSITIVE)).findings
    assert finding.against == "consumer billing (model billing:Payment) on commit 1a2b3c4"
    assert "replay" in finding.advice
    assert check(subject(Compatibility.FORWARD)).findings == ()


def test_a_declaration_comes_back_from_its_file(tmp_path: Path) -> None:
    file = tmp_path / "billing.fields.json"
    file.write_text(declared().text())
    assert load_declaration(file) == declared()
    assert '"id": {"required": true, "takes": ["bytes", "string"]}' in file.read_text()


@pytest.mark.parametrize(
    "text", ["{", "{}", '{"consumer": "b", "subject": "s", "model": "m", "fields": {"x": 1}}']
)
def test_a_file_that_is_none_says_what_to_do(tmp_path: Path, text: str) -> None:
    file = tmp_path / "billing.fields.json"
    file.write_text(text)
    with pytest.raises(CannotCheck, match=r"billing\.fields\.json: .*doublegate schema fields"):
        load_declaration(file)
