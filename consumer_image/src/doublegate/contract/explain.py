"""Turns pydantic's errors into lines that name the field, what was given and what is allowed.

What is allowed is read from the model's own JSON schema, so messages can't drift from the rules.
"""

import difflib
import re
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from doublegate.contract.errors import InvalidResource, Problem
from doublegate.contract.fields import redact

__all__ = ["checked", "problems_of"]

_SHOWN = 60
_WORDS = {"boolean": "true or false", "array": "a list", "object": "a mapping", "null": "nothing"}


Model = TypeVar("Model", bound=BaseModel)


def checked(model: type[Model], given: object, source: str, invalid: type[InvalidResource]) -> Model:
    """The model of what is parsed from YAML or JSON already.

    Args:
        model: of the resource.
        given: the mapping.
        source: what to call it in error messages.
        invalid: the error to raise.

    Raises:
        InvalidResource: of that kind: one line per problem: field path, what was given, what is allowed.
    """
    try:
        return model.model_validate(given)
    except ValidationError as error:
        problems = problems_of(error, model)
    raise invalid(source, problems)  # outside: the original carries the input, secrets included


def problems_of(error: ValidationError, model: type[BaseModel]) -> list[Problem]:
    """All problems of a failed validation of `model`, in its order."""
    schema = model.model_json_schema()
    return [
        problem
        for details in error.errors(include_url=False)
        for problem in details.get("ctx", {}).get("problems") or [_problem(details, schema)]
    ]


def _problem(details: ErrorDetails, schema: dict[str, Any]) -> Problem:
    location, kind = details["loc"], details["type"]
    path = re.sub(r"\.\[", "[", ".".join(f"[{p}]" if isinstance(p, int) else p for p in location))
    if kind == "extra_forbidden":
        fields = _fields(_node(schema, location[:-1], schema))
        close = difflib.get_close_matches(str(location[-1]), fields, n=1)
        hint = f", did you mean {close[0]}?" if close else ""
        return Problem(path, f"unknown field{hint}; allowed: {', '.join(fields)}")
    if kind.startswith("dg_"):
        return Problem(path, f"given {_show(details['input'], path)}; {details['msg']}")
    allowed = _allowed(_node(schema, location, schema), schema)
    given = "missing" if kind == "missing" else f"given {_show(details['input'], path)}"
    return Problem(path, f"{given}; allowed: {allowed}")


def _show(value: object, path: str) -> str:
    if value is None:
        return "nothing"
    if isinstance(value, dict | list):
        return "a mapping" if isinstance(value, dict) else "a list"
    if path.endswith("Ref"):
        return "a text that is no name"  # whoever puts a password here must not find it in a log
    text = redact(value) if isinstance(value, str) else value
    shown = repr(text)
    return shown if len(shown) <= _SHOWN else f"{shown[:_SHOWN]}... ({len(str(text))} characters)"


def _resolve(node: dict[str, Any], schema: dict[str, Any]) -> dict[str, Any]:
    if "$ref" in node:
        name = node["$ref"].rpartition("/")[2]
        return _resolve({**schema["$defs"][name], **{k: v for k, v in node.items() if k != "$ref"}}, schema)
    for choice in node.get("anyOf", ()):
        if choice.get("type") != "null":
            return _resolve({**choice, **{k: v for k, v in node.items() if k != "anyOf"}}, schema)
    return node


def _node(schema: dict[str, Any], location: tuple[int | str, ...], node: dict[str, Any]) -> dict[str, Any]:
    node = _resolve(node, schema)
    for part in location:
        inner = node.get("items") if isinstance(part, int) else node.get("properties", {}).get(part)
        inner = inner or node.get("additionalProperties")
        if not isinstance(inner, dict):
            return {}
        node = _resolve(inner, schema)
    return node


def _fields(node: dict[str, Any]) -> list[str]:
    return list(node.get("properties", {}))


def _allowed(node: dict[str, Any], schema: dict[str, Any]) -> str:
    if choices := node.get("enum") or ([node["const"]] if "const" in node else None):
        return ", ".join(map(str, choices))
    kind = node.get("type")
    if kind in {"integer", "number"}:
        return ("a whole number" if kind == "integer" else "a number") + _range(node)
    if kind == "string":
        return "a text" + _shape(node)
    if kind == "object" and "properties" in node:
        return f"a mapping with the fields {', '.join(_fields(node))}"
    if kind == "array":
        return "a list, each of it " + _allowed(_resolve(node.get("items", {}), schema), schema)
    return _WORDS.get(str(kind), "a value that JSON knows")


def _range(node: dict[str, Any]) -> str:
    low, high = node.get("minimum"), node.get("maximum")
    if low is not None and high is not None:
        return f" from {low} to {high}"
    return "" if low is None else f" from {low}"


def _shape(node: dict[str, Any]) -> str:
    text = f" of {node.get('minLength', 1)} to {node['maxLength']} characters" if "maxLength" in node else ""
    if examples := node.get("examples"):
        text += f", such as {' or '.join(map(str, examples))}"
    if pattern := node.get("pattern"):
        text += f" (pattern {pattern})"
    return text
