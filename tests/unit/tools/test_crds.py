"""The definitions are what the models say: structural, with a rule for every rule, and not stale."""

from __future__ import annotations

import inspect
import json
import re
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from doublegate.contract import rules
from doublegate.contract.cel import CONSUMER, REPLAY, Cel, between
from doublegate.contract.consumer_spec import ConsumerSpec
from tests.bad_resources import CONSUMERS, REPLAYS, UNCHANGEABLE, Bad
from tools.crds.__main__ import FOLDER, rendered
from tools.crds.definitions import definitions
from tools.crds.structural import structural

if TYPE_CHECKING:
    from collections.abc import Iterator

Schema = dict[str, Any]
MADE = definitions()


def schema_of(name: str) -> Schema:
    return MADE[name]["spec"]["versions"][0]["schema"]["openAPIV3Schema"]


def nodes(schema: Schema, at: str = "") -> Iterator[tuple[str, Schema]]:
    yield at, schema
    for name, inner in schema.get("properties", {}).items():
        yield from nodes(inner, f"{at}.{name}".lstrip("."))
    for inner in (schema.get("items"), schema.get("additionalProperties")):
        if inner:
            yield from nodes(inner, f"{at}[]")


@pytest.mark.parametrize("name", MADE)
def test_the_file_is_not_stale(name: str) -> None:
    path = FOLDER / f"{name}.yaml"
    assert path.read_text() == rendered()[path], "run `python -m tools.crds`"
    assert yaml.safe_load(path.read_text()) == MADE[name]


@pytest.mark.parametrize("name", MADE)
def test_every_node_is_typed_and_described(name: str) -> None:
    for at, node in nodes(schema_of(name)):
        assert "type" in node or node.get("x-kubernetes-int-or-string"), at
        if at.startswith(("spec.", "status.")) and "[]" not in at:
            assert node.get("description"), at
        assert not {"$ref", "anyOf", "title", "$defs", "const"} & node.keys(), at


def test_every_field_of_the_models_is_there() -> None:
    spec = schema_of("idempotentconsumers")["properties"]["spec"]
    assert set(spec["properties"]) == {
        field.alias or name for name, field in ConsumerSpec.model_fields.items()
    }
    assert spec["properties"]["kafka"]["required"] == ["bootstrapServers", "topic", "group"]
    assert spec["properties"]["dlq"]["default"] == {
        "retention": "14d",
        "breaker": {"failureRatio": 0.5, "window": "30s"},
    }
    assert spec["properties"]["ledger"]["properties"]["ttl"]["default"] == "1h"


def test_every_rule_has_a_bad_resource() -> None:
    told = [bad.field for bad in (*CONSUMERS, *REPLAYS, *UNCHANGEABLE)]
    for cel in CONSUMER:
        assert any(cel.message.startswith(field) for field in told), cel
    assert any(cel.message.startswith(field) for cel in REPLAY for field in told)


def test_every_rule_of_the_models_has_one_in_cel() -> None:
    fields = set(re.findall(r'"(spec\.[A-Za-z.]+)', inspect.getsource(rules)))
    assert len(fields) > 12
    assert {field for field in fields if not any(cel.message.startswith(field) for cel in CONSUMER)} == set()


@pytest.mark.parametrize("bad", CONSUMERS, ids=lambda bad: bad.name)
def test_every_bad_consumer_has_something_that_refuses_it(bad: Bad) -> None:
    """That it really does is the API server's test; here, that a rule or the schema knows the field."""
    text = json.dumps(schema_of("idempotentconsumers"))
    node = schema_of("idempotentconsumers")
    for part in bad.field.split("."):
        node = node.get("properties", {}).get(part, {})
    known = {"enum", "minimum", "pattern"} & node.keys()
    assert bad.field + ":" in text or known, bad


def test_a_rule_about_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match=r"spec\.nothing"):
        structural(ConsumerSpec, "spec", [Cel("spec.nothing", "true", "spec.nothing: no")])


def test_ranges_of_durations() -> None:
    hours = between("spec.x", "10ms", "1h", kind="duration")
    assert hours.rule.split(" : ") == [
        "self.contains('d') ? false",
        "duration(self) >= duration('10ms') && duration(self) <= duration('1h')",
    ]
    days = between("spec.x", "1s", "30d", kind="duration")
    assert days.rule.startswith("self.contains('d') ? int(")
    assert days.rule.endswith("duration(self) <= duration('2592000s')")


def test_a_fractional_bound_has_a_rule_of_its_own() -> None:
    """The API server would cut it to a whole number."""
    rate = schema_of("deadletterreplays")["properties"]["spec"]["properties"]["rate"]
    [rule] = rate["x-kubernetes-validations"]
    assert rule["rule"] == "self >= 0.001 && self <= 10000000.0"
