"""A consumer that can't read the subject's latest schema is not rolled out, and what runs is kept up."""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel

from doublegate.contract.record import Field, Kind
from doublegate.evolution import Declaration, Format, fields_of, read_schema
from doublegate_operator.core.facts import LatestSchema
from doublegate_operator.core.reasons import Reason
from doublegate_operator.core.wanted import SetCompatibility
from tests.unit.operator.test_plan import (
    INTEGER,
    LEDGER_AWAY,
    READABLE,
    READING,
    REGISTRY,
    REGISTRY_AWAY,
    UNCLEAR,
    UNREADABLE,
)
from tests.unit.operator.world import World, condition, consumer, said

REFUSED = ("False", "FieldUnreadable")


class Payment(BaseModel):
    amount: int
    currency: str = "EUR"


def declared(model: type[BaseModel]) -> dict[str, Any]:
    """`fields` of what `doublegate schema fields` prints."""
    whole = Declaration.of("billing", "payments-value", "billing:charge", model)
    return dict(whole.model_dump(mode="json", exclude_defaults=True)["fields"])


AVRO = '{"type": "record", "name": "P", "fields": [{"name": "amount", "type": %s}]}'
JSON = '{"type": "object", "properties": {"amount": {"type": %s}}, "required": [%s]}'
PROTOBUF = 'syntax = "proto3"; message P { %s = 1; }'


@pytest.mark.parametrize(
    ("kind", "text", "told"),
    [
        (Format.AVRO, AVRO % '"long"', None),
        (Format.AVRO, AVRO % '["null", "long"]', "field amount: it may be null (null | long)"),
        (Format.AVRO, AVRO.replace("amount", "price") % '"long"', "field amount: the consumer requires"),
        (Format.JSON, JSON % ('"integer"', '"amount"'), None),
        (Format.JSON, JSON % ('"integer"', ""), "amount: the consumer requires the field and records may"),
        (Format.JSON, JSON % ('"number"', '"amount"'), "field amount: it may be number (number)"),
        (Format.PROTOBUF, PROTOBUF % "int64 amount", None),
        (Format.PROTOBUF, PROTOBUF % "double amount", "field amount: it may be number (double)"),
        (Format.PROTOBUF, PROTOBUF % "int64 price", "amount: the consumer requires the field and the"),
    ],
)  # fmt: skip
def test_each_format(kind: Format, text: str, told: str | None) -> None:
    latest = LatestSchema(4, fields_of(read_schema(text, kind, "it")))
    world = World(resource=consumer(schema={**REGISTRY, "reads": declared(Payment)}), latest=latest)
    made = world.settle()
    found = condition(made.status, "SchemaCompatible")
    assert (("Deployment", "payments") in world.objects) == (told is None)
    if told is None:
        assert (found.status, found.reason) == ("True", "AsSpecified")
        assert "can read its version 4" in found.message
    else:
        assert (found.status, found.reason) == REFUSED
        assert told in found.message
        assert "version 4 of subject payments-value" in found.message


def reading(generation: int = 1, **fields: Any) -> World:
    """A consumer that reads an amount, at rest."""
    world = World(resource=consumer(generation, schema=READING, **fields), latest=READABLE)
    world.settle()
    return world


def test_what_runs_stays_and_is_kept_up() -> None:
    world = reading()
    before = copy.deepcopy(world.objects)
    world.latest = UNREADABLE
    made = world.step()
    assert said(made, "SchemaCompatible") == REFUSED
    assert said(made, "Ready") == REFUSED
    assert said(made, "Stalled") == ("True", "FieldUnreadable")
    assert [event.reason for event in made.events] == [Reason.FIELD_UNREADABLE]
    assert made.apply, "a Deployment that somebody deletes by accident would come back"
    assert world.objects == before
    assert not world.step().events


def test_a_new_generation_is_not_rolled_out_until_it_reads() -> None:
    world = reading()
    before, hashed = copy.deepcopy(world.objects), world.status and world.status.config_hash
    world.latest = UNREADABLE
    world.resource = consumer(2, image="registry.example/payments:2", schema=READING)
    made = world.settle()
    assert (made.apply, made.prune, made.objects) == (False, False, ())
    assert world.objects == before
    assert made.status.config_hash == hashed, "of what the pods were given"
    assert "What runs stays as it is" in condition(made.status, "Stalled").message
    # A newer schema is registered ...
    world.latest = replace(READABLE, version=3)
    assert said(world.settle(), "Ready") == ("True", "AsSpecified")
    assert world.objects != before
    # ... or the model is another.
    before = copy.deepcopy(world.objects)
    world.latest = UNREADABLE
    reads = {"price": READING["reads"]["amount"]}
    world.resource = consumer(3, image="registry.example/payments:3", schema={**REGISTRY, "reads": reads})
    assert said(world.settle(), "Ready") == ("True", "AsSpecified")
    assert world.objects != before


def test_without_a_declaration_nothing_is_compared() -> None:
    world = World(resource=consumer(schema=REGISTRY), latest=UNREADABLE)
    assert said(world.settle(), "Ready") == ("True", "AsSpecified")


def test_topics_and_the_level_are_made_meanwhile() -> None:
    world = World(resource=consumer(schema=READING), latest=UNREADABLE)
    world.step()
    assert world.step().compatibility == SetCompatibility("payments-value", "FULL_TRANSITIVE")
    world.settle()
    assert set(world.topics) == {"payments", "shop.dlq", "shop.replay"}
    assert not world.objects


def test_paused_pods_read_nothing_and_are_rolled_out() -> None:
    world = reading()
    world.latest = UNREADABLE
    world.resource = consumer(2, paused=True, schema=READING)
    made = world.settle()
    paused = copy.deepcopy(world.objects)
    assert said(made, "Ready") == REFUSED
    assert "paused: true" in paused["ConfigMap", "payments-config"]["data"]["consumer.yaml"]
    world.resource = consumer(3, schema=READING)
    world.settle()
    assert world.objects == paused, "what went on would meet what it can't read"


def test_a_subject_without_a_schema_keeps_nobody_back() -> None:
    made = World(resource=consumer(schema=READING)).settle()
    assert said(made, "Ready") == ("True", "AsSpecified")
    assert "It has no schema yet" in condition(made.status, "SchemaCompatible").message


def test_a_schema_that_cannot_be_judged_keeps_nobody_back_and_is_told() -> None:
    world = reading()
    world.latest = UNCLEAR
    made = world.step()
    assert said(made, "SchemaCompatible") == ("Unknown", "SchemaUnclear")
    assert "it refers to other subjects" in condition(made.status, "SchemaCompatible").message
    assert said(made, "Ready") == ("True", "AsSpecified")
    assert [(event.type, event.reason) for event in made.events] == [("Warning", Reason.SCHEMA_UNCLEAR)]


def test_a_registry_that_is_away_keeps_nobody_back() -> None:
    world = reading()
    world.registry_failure = REGISTRY_AWAY
    world.resource = consumer(2, image="registry.example/payments:2", schema=READING)
    before = copy.deepcopy(world.objects)
    made = world.settle()
    assert said(made, "SchemaCompatible") == ("False", "RegistryUnavailable")
    assert world.objects != before


def test_what_was_refused_is_not_let_in_by_an_outage() -> None:
    world = reading()
    before = copy.deepcopy(world.objects)
    world.latest = UNREADABLE
    world.resource = consumer(2, image="registry.example/payments:2", schema=READING)
    told = condition(world.settle().status, "SchemaCompatible").message
    world.registry_failure = REGISTRY_AWAY
    made = world.settle()
    assert said(made, "SchemaCompatible") == REFUSED
    assert condition(made.status, "SchemaCompatible").message == told
    assert world.objects == before
    # Of the next generation nobody knows anything.
    world.resource = consumer(3, image="registry.example/payments:3", schema=READING)
    assert said(world.settle(), "SchemaCompatible") == ("False", "RegistryUnavailable")
    assert world.objects != before


def test_the_first_fields_are_told_and_how_many_there_are() -> None:
    reads = {f"f{n}": {"required": True, "takes": ["integer"]} for n in range(5)}
    world = World(resource=consumer(schema={**REGISTRY, "reads": reads}), latest=LatestSchema(1))
    told = condition(world.settle().status, "SchemaCompatible").message
    assert "field f2: " in told
    assert "field f3: " not in told
    assert "; and 2 more." in told


kinds = st.frozensets(st.sampled_from([Kind.INTEGER, Kind.STRING, Kind.NULL]), min_size=1)
schemas = st.builds(
    LatestSchema,
    st.integers(1, 9),
    st.dictionaries(st.sampled_from("abc"), st.builds(Field, st.just("x"), kinds, st.booleans())),
)
reads = st.dictionaries(
    st.sampled_from("abc"),
    st.fixed_dictionaries({"required": st.booleans(), "takes": kinds.map(sorted)}),
)
happenings = st.one_of(
    st.tuples(st.just("schema"), schemas),
    st.tuples(st.just("reads"), reads),
    st.tuples(st.just("image"), st.integers(1, 3).map(lambda number: f"registry.example/payments:{number}")),
    st.tuples(st.just("registry"), st.sampled_from([None, REGISTRY_AWAY])),
    st.tuples(st.just("ledger"), st.sampled_from([None, LEDGER_AWAY])),
)


def unfit(reads: dict[str, Any], latest: LatestSchema) -> bool:
    """By other words than the code's: some record of the schema is none of the model's."""
    return any(
        (one["required"] and (field is None or not field.always))
        or (field is not None and not field.kinds <= set(one["takes"]))
        for name, one in reads.items()
        for field in [latest.fields.get(name)]
    )


@settings(deadline=None)
@given(st.lists(happenings, max_size=12))
def test_no_template_reaches_the_cluster_that_cannot_read_the_latest_schema(
    happened: list[tuple[str, Any]],
) -> None:
    given: dict[str, Any] = READING["reads"]
    image, world = "registry.example/payments:1", World(resource=consumer(schema=READING), latest=READABLE)
    world.settle()
    for generation, (what, value) in enumerate(happened, 2):
        before = copy.deepcopy(world.objects)
        match what:
            case "schema":
                world.latest = value
            case "registry":
                world.registry_failure = value
            case "ledger":
                world.ledger_failure = value
            case "reads":
                given = value
            case "image":
                image = value
        if what in ("reads", "image"):
            world.resource = consumer(generation, image=image, schema={**REGISTRY, "reads": given})
        made = world.settle()
        assert world.latest is not None
        if world.registry_failure is not None:
            continue
        broken = unfit(given, world.latest)
        assert (said(made, "SchemaCompatible") == REFUSED) == broken
        if broken:
            assert world.objects == before
        else:
            container = world.objects["Deployment", "payments"]["spec"]["template"]["spec"]["containers"][0]
            assert container["image"] == image
            assert said(made, "Stalled")[0] == "False"


def test_the_property_knows_a_broken_one() -> None:
    assert unfit(READING["reads"], UNREADABLE)
    assert not unfit(READING["reads"], LatestSchema(1, {"amount": INTEGER}))
