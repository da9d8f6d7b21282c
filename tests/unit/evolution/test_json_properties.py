"""JSON Schema verdicts against a validator: no value passes a compatible writer that the reader refuses."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema.validators import Draft7Validator

from doublegate.evolution import CannotCheck
from doublegate.evolution.json_schema import json_clashes

NAMES = ["a", "b"]
SMALL = [None, True, -5, 5, 11, 0.5, "", "abc", "a longer text"]
VALUES: list[Any] = [
    *SMALL,
    *([one] for one in SMALL),
    [],
    *({name: one} for name in [*NAMES, "z"] for one in [*SMALL, {}, {"a": 5}, {"z": 5}, [5]]),
    *({"a": one, "b": other} for one in (5, "abc") for other in (5, "abc", None)),
    {},
]
"""Enough to tell the schemas below from each other; each pair is held against all of them."""


def bounded(kinds: list[str], keys: list[str]) -> Any:
    """A type with some of its bounds."""
    return st.builds(
        lambda kind, more: {"type": kind, **more},
        st.sampled_from(kinds),
        st.dictionaries(st.sampled_from(keys), st.integers(0, 10)),
    )


def wider(inner: Any) -> Any:
    """Schemas that are made of others."""
    objects = st.fixed_dictionaries(
        {
            "type": st.just("object"),
            "properties": st.dictionaries(st.sampled_from(NAMES), inner),
            "required": st.lists(st.sampled_from(NAMES), unique=True),
            "additionalProperties": st.booleans() | inner,
        }
    )
    arrays = st.builds(lambda items: {"type": "array", "items": items}, inner)
    several = st.builds(lambda branches: {"anyOf": branches}, st.lists(inner, min_size=1, max_size=2))
    return objects | arrays | several


KINDS = ["null", "boolean", "integer", "number", "string", "object", "array"]
LEAVES = (
    st.sampled_from([{}, True, False])
    | st.builds(lambda kinds: {"type": kinds}, st.lists(st.sampled_from(KINDS), min_size=1, unique=True))
    | bounded(["integer", "number"], ["minimum", "maximum", "exclusiveMinimum"])
    | bounded(["string"], ["minLength", "maxLength"])
    | st.builds(
        lambda listed: {"enum": listed},
        st.lists(st.sampled_from([None, 1, 5, "a", "abc"]), min_size=1, unique=True),
    )
)
SCHEMAS = st.recursive(LEAVES, wider, max_leaves=4)


def parts(schema: Any) -> Iterator[dict[str, Any]]:
    """The schema and all that it is made of."""
    if isinstance(schema, dict):
        yield schema
        inner = [schema.get("items"), schema.get("additionalProperties"), *schema.get("anyOf", ())]
        for one in [*inner, *schema.get("properties", {}).values()]:
            yield from parts(one)


@st.composite
def changes(draw: Any) -> tuple[Any, Any]:
    """A schema and itself after one change, in either order: such pairs are often compatible."""
    before = draw(SCHEMAS.filter(lambda schema: isinstance(schema, dict)))
    after = copy.deepcopy(before)
    part = draw(st.sampled_from(list(parts(after))))
    key = draw(
        st.sampled_from([*part, "minimum", "maximum", "maxLength", "required", "additionalProperties"])
    )
    match key:
        case "minimum" | "maximum" | "maxLength":
            part[key] = draw(st.integers(0, 10))
        case "required":
            part[key] = draw(st.lists(st.sampled_from(NAMES), unique=True))
        case "additionalProperties":
            part[key] = draw(st.booleans() | LEAVES)
        case "properties" if part[key]:
            del part[key][draw(st.sampled_from(sorted(part[key])))]
        case _:
            del part[key]
    return (before, after) if draw(st.booleans()) else (after, before)


@given(pair=changes() | st.tuples(SCHEMAS, SCHEMAS))
@settings(max_examples=300, deadline=None)
def test_no_value_passes_that_the_reader_refuses(pair: tuple[Any, Any]) -> None:
    reader, writer = pair
    try:
        if list(json_clashes(reader, writer)):
            return
    except CannotCheck:
        return
    reads, writes = Draft7Validator(reader), Draft7Validator(writer)
    assert [value for value in VALUES if writes.is_valid(value) and not reads.is_valid(value)] == []


@given(schema=SCHEMAS)
@settings(max_examples=200, deadline=None)
def test_a_schema_is_compatible_with_itself(schema: Any) -> None:
    assert list(json_clashes(schema, schema)) == []
