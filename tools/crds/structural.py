"""A pydantic JSON schema as Kubernetes' structural schema: pure."""

from __future__ import annotations

from collections import defaultdict
from copy import deepcopy
from typing import TYPE_CHECKING, Any

from doublegate.contract.cel import Cel, between

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pydantic import BaseModel

__all__ = ["structural"]

Schema = dict[str, Any]

LONGEST_DURATION = 24
"""Characters; rules on a text cost by its greatest length."""
_KEPT = (
    "description",
    "type",
    "format",
    "default",
    "enum",
    "minimum",
    "maximum",
    "minLength",
    "maxLength",
    "pattern",
    "minItems",
    "maxItems",
    "required",
)


def structural(model: type[BaseModel], at: str, rules: Iterable[Cel] = ()) -> Schema:
    """The schema of a model that stands at that path of the resource.

    Args:
        model: spec or status.
        at: `spec` or `status`.
        rules: of the resource; those of nodes that the model has not are refused.

    Raises:
        ValueError: a rule is about a node that is not there.
    """
    schema = model.model_json_schema(by_alias=True)
    by_node: dict[str, list[Cel]] = defaultdict(list)
    for rule in rules:
        by_node[rule.at].append(rule)
    made = _Writer(schema.get("$defs", {}), by_node).node(schema, at)
    if by_node:
        raise ValueError(f"rules about nodes that are not there: {', '.join(by_node)}")
    return made


class _Writer:
    def __init__(self, definitions: Schema, rules: dict[str, list[Cel]]) -> None:
        self._definitions = definitions
        self._rules = rules

    def node(self, given: Schema, at: str) -> Schema:
        """One node and all below it."""
        schema = self._resolved(given)
        made = {name: schema[name] for name in _KEPT if schema.get(name) is not None}
        if "const" in schema:
            made |= {"type": "string", "enum": [schema["const"]]}
        rules = [*self._range(schema, made, at), *self._rules.pop(at, [])]
        if schema.get("type") == "object":
            self._object(schema, made, at)
        elif schema.get("type") == "array":
            made["items"] = self.node(schema["items"], f"{at}[]")
        if rules:
            made["x-kubernetes-validations"] = [{"rule": one.rule, "message": one.message} for one in rules]
        return made

    def _resolved(self, schema: Schema) -> Schema:
        """Without references, and without null: the API server drops a null before it looks at defaults."""
        if "$ref" in schema:
            named = self._definitions[schema["$ref"].rpartition("/")[2]]
            return self._resolved({**named, **{k: v for k, v in schema.items() if k != "$ref"}})
        for choice in schema.get("anyOf", ()):
            if choice.get("type") != "null":
                return self._resolved({**choice, **{k: v for k, v in schema.items() if k != "anyOf"}})
        return schema

    def _object(self, schema: Schema, made: Schema, at: str) -> None:
        if "properties" in schema:
            made["properties"] = {
                name: self._property(inner, f"{at}.{name}", required=name in schema.get("required", ()))
                for name, inner in schema["properties"].items()
            }
            return
        values = self._resolved(schema.get("additionalProperties") or {})
        if values.get("type"):
            made["additionalProperties"] = self.node(values, f"{at}.*")
        else:
            made["x-kubernetes-preserve-unknown-fields"] = True

    def _property(self, given: Schema, at: str, *, required: bool) -> Schema:
        made = self.node(given, at)
        if required or "default" in given or "properties" not in made or "required" in made:
            return made
        # Defaults within a section count only where it is there, and its rules look at this one as it stands.
        inner = made["properties"].items()
        default = {name: deepcopy(one["default"]) for name, one in inner if "default" in one}
        return made | {"default": default}

    def _range(self, schema: Schema, made: Schema, at: str) -> list[Cel]:
        if schema.get("minimum", 0) % 1:
            # The API server cuts the bound to a whole number when it looks at one: `0` would pass.
            return [between(at, str(schema["minimum"]), str(schema["maximum"]), kind="number")]
        if "x-between" not in schema:
            return []
        lowest, highest = schema["x-between"]
        if "Mi" in lowest:
            del made["type"]
            made["x-kubernetes-int-or-string"] = True
            return [between(at, lowest, highest, kind="quantity")]
        made["maxLength"] = LONGEST_DURATION
        return [between(at, lowest, highest, kind="duration")]
