"""The fields that a model reads; what we say that it takes is what pydantic takes."""

from __future__ import annotations

import uuid
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from typing import Any, Literal, Optional

import pytest
from pydantic import BaseModel, ConfigDict, Field, ValidationError, create_model

from doublegate.contract.record import Kind
from doublegate.evolution import CannotCheck, fields_read


class Color(Enum):
    RED = "red"


class Item(BaseModel):
    sku: str
    parent: Optional[Item] = None  # noqa: UP045 - it is not defined yet


class Order(BaseModel):
    id: int
    note: str | None
    color: Color = Color.RED
    currency: Literal["EUR", "USD"]
    items: list[Item]
    labels: dict[str, int] = {}
    who: str = Field(alias="customer")
    extra: Any


def test_every_field_by_path_nested_and_optional_ones_too() -> None:
    found = fields_read(Order)
    assert {path: read.required for path, read in found.items()} == {
        "": True,
        "id": True,
        "note": True,
        "color": False,
        "currency": True,
        "items": True,
        "items[]": False,
        "items[].sku": True,
        "items[].parent": False,
        "labels": False,
        "labels{}": False,
        "customer": True,
        "extra": True,
    }
    assert Kind.NULL in found["note"].takes
    assert Kind.NULL not in found["id"].takes
    assert found["currency"].values == {"EUR", "USD"}
    assert found["color"].values == {"red"}
    assert found["extra"].takes == {Kind.ANY}
    assert not found[""].closed


def test_a_model_that_refuses_more_says_so() -> None:
    class Strict(BaseModel):
        model_config = ConfigDict(extra="forbid")

    assert fields_read(Strict)[""].closed


def test_of_a_union_only_common_fields_are_required() -> None:
    class Card(BaseModel):
        kind: Literal["card"]
        number: str

    class Cash(BaseModel):
        kind: Literal["cash"]

    class Paid(BaseModel):
        by: Card | Cash = Field(discriminator="kind")

    found = fields_read(Paid)
    assert found["by.kind"].required
    assert found["by.kind"].values == {"card", "cash"}
    assert not found["by.number"].required


def test_a_type_that_pydantic_cant_describe_is_named() -> None:
    class Odd(BaseModel):
        model_config = ConfigDict(arbitrary_types_allowed=True)
        thing: object.__class__  # type: ignore[name-defined]
        other: pytest.MonkeyPatch

    with pytest.raises(CannotCheck, match="model Odd"):
        fields_read(Odd)


SAMPLES = {
    Kind.NULL: None,
    Kind.BOOLEAN: True,
    Kind.INTEGER: 7,
    Kind.NUMBER: 7.5,
    Kind.OBJECT: {"a": 1},
    Kind.ARRAY: [1],
    Kind.DATE_TIME: datetime(2026, 1, 2, 3, 4, tzinfo=UTC),
    Kind.DATE: date(2026, 1, 2),
    Kind.TIME: time(3, 4),
    Kind.DECIMAL: Decimal("7.5"),
    Kind.UUID: uuid.uuid4(),
}
TEXTS = {
    str: "text",
    bytes: "text",
    datetime: "2026-01-02T03:04:00Z",
    date: "2026-01-02",
    time: "03:04",
    timedelta: "PT1S",
    uuid.UUID: str(uuid.uuid4()),
    Decimal: "7.5",
}
# Pydantic takes more of these than we say: where it depends on the value, or on chance.
LENIENT = {
    (bool, Kind.INTEGER): "0 and 1 alone",
    (int, Kind.BOOLEAN): "a boolean is an int in Python; a field that becomes one changes its meaning",
    (int, Kind.NUMBER): "without a fraction alone",
    (int, Kind.DECIMAL): "the same",
    (float, Kind.BOOLEAN): "as for int",
    (Decimal, Kind.BOOLEAN): "as for int",
    (date, Kind.DATE_TIME): "at midnight alone",
    (date, Kind.INTEGER): "at midnight alone",
    (timedelta, Kind.TIME): "it means something else",
    (time, Kind.BOOLEAN): "as for int",
    (datetime, Kind.BOOLEAN): "as for int",
    (timedelta, Kind.BOOLEAN): "as for int",
}


@pytest.mark.parametrize(
    "kind", [bool, int, float, str, bytes, datetime, date, time, timedelta, uuid.UUID, Decimal, list, dict]
)
def test_what_it_says_a_type_takes_is_what_pydantic_takes(kind: type) -> None:
    model = create_model("Made", x=(kind, ...))
    takes = fields_read(model)["x"].takes
    text = TEXTS.get(kind, "text")
    for sample, value in {**SAMPLES, Kind.STRING: text, Kind.BYTES: text.encode()}.items():
        try:
            model.model_validate({"x": value})
        except ValidationError:
            taken = False
        else:
            taken = True
        if (kind, sample) in LENIENT:
            assert sample not in takes
        else:
            assert (sample in takes) == taken, (kind, sample)
