"""The whole graph that the program asks the engine for, without an engine."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass, field
from typing import Any

import pulumi
from google.protobuf import json_format
from pulumi.runtime import rpc
from pulumi.runtime.mocks import MockMonitor, Mocks, set_mocks

from infra.program import outputs, platform
from tests.unit.infra.stacks import settings

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


class _Same(Mocks):
    def new_resource(self, args: Any) -> tuple[str, dict[str, Any]]:
        return args.name, args.inputs

    def call(self, args: Any) -> dict[str, Any]:  # noqa: ARG002
        return {}


class _Recorder(MockMonitor):
    def __init__(self) -> None:
        super().__init__(_Same())
        self.recorded: list[Resource] = []

    def RegisterResource(self, request: Any) -> Any:  # noqa: N802
        if request.type != "pulumi:pulumi:Stack":
            self.recorded.append(
                Resource(
                    request.type,
                    request.name,
                    _short(request.parent),
                    _short(request.provider),
                    sorted(_short(urn) for urn in request.dependencies),
                    hidden(json_format.MessageToDict(request.object)),
                )
            )
        return super().RegisterResource(request)


def record(stack: str, **changed: Any) -> list[Resource]:
    """The resources of a stack, in the order of their names."""
    recorder = _Recorder()
    asyncio.set_event_loop(asyncio.new_event_loop())  # another test's asyncio.run() has taken it away
    set_mocks(_Same(), project="doublegate", stack="any", preview=False, monitor=recorder)
    chosen = settings(stack, **changed)
    pulumi.runtime.test(lambda: platform(chosen))()
    return sorted(recorder.recorded, key=lambda resource: (resource.key, resource.type))


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


def hidden(value: Any) -> Any:
    """Without what is marked as a secret; whole numbers as such."""
    if isinstance(value, dict):
        if value.get(rpc._special_sig_key) == rpc._special_secret_sig:
            return HIDDEN
        return {name: hidden(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [hidden(inner) for inner in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _short(urn: str) -> str:
    parts = urn.split("::")
    return f"{parts[2].rpartition(':')[2]}/{parts[3]}" if len(parts) > 3 else ""
