"""The whole graph that the program asks the engine for, without an engine."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from infra.program import outputs, platform
from tests.unit.infra.stacks import settings
from tools.render.recording import recorded, without_secrets

HIDDEN = "[secret]"


@dataclass
class Resource:
    """As it was asked for; secrets are hidden."""

    type: str
    name: str
    parent: str
    provider: str
    after: list[str]
    inputs: dict[str, Any] = field(repr=False)

    @property
    def kind(self) -> str:
        return self.type.rpartition(":")[2]

    @property
    def key(self) -> str:
        return f"{self.kind}/{self.name}"


def record(stack: str, **changed: Any) -> list[Resource]:
    """The resources of a stack, in the order of their names."""
    chosen = settings(stack, **changed)
    made = [
        Resource(
            one.type,
            one.name,
            _short(one.parent),
            _short(one.provider),
            sorted(_short(urn) for urn in one.after),
            without_secrets(one.inputs, lambda _: HIDDEN),
        )
        for one in recorded(lambda: platform(chosen))
    ]
    return sorted(made, key=lambda resource: (resource.key, resource.type))


def golden(stack: str) -> str:
    """The graph as text that people can read changes of."""
    graph = [
        {"resource": f"{one.type} {one.name}", "parent": one.parent, "after": one.after, "inputs": one.inputs}
        for one in record(stack)
        if one.kind != "CustomResourceDefinition"  # the chart's files, as they stand
    ]
    return (
        json.dumps({"outputs": outputs(settings(stack)), "resources": graph}, indent=1, sort_keys=True) + "\n"
    )


def _short(urn: str) -> str:
    parts = urn.split("::")
    return f"{parts[2].rpartition(':')[2]}/{parts[3]}" if len(parts) > 3 else ""
