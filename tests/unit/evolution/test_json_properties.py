"""JSON Schema verdicts against a validator: no value passes a compatible writer that the reader refuses."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema.validators import Draft7Validator

from doublegate.evolution import CannotCheck
from doublegate.evolution.json_schema import json_clashes

NAMES = ["a", "b"]
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 12) | st.sampled_from([0.5, "", "a", "abc"]),
    lambda inner: (
        st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from([*NAMES, "z"]), inner, max_size=3)
    ),
    max_leaves=5,
)


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
SCHEMAS = st.recursive(LEAVES, wider, max_leaves=6)


@given(reader=SCHEMAS, writer=SCHEMAS, values=st.lists(VALUES, min_size=5, max_size=20))
@settings(max_examples=500, deadline=None)
def test_no_value_passes_that_the_reader_refuses(reader: Any, writer: Any, values: list[Any]) -> None:
    try:
        if list(json_clashes(reader, writer)):
            return
    except CannotCheck:
        return
    for value in values:
        if Draft7Validator(writer).is_valid(value):
            assert Draft7Validator(reader).is_valid(value), value


@given(schema=SCHEMAS)
@settings(max_examples=200, deadline=None)
def test_a_schema_is_compatible_with_itself(schema: Any) -> None:
    assert list(json_clashes(schema, schema)) == []
