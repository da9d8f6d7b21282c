"""What the Pulumi program asks the engine for, without an engine; for the trees and the program's tests."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pulumi
from google.protobuf import json_format
from pulumi.runtime import rpc
from pulumi.runtime.mocks import MockCallArgs, MockMonitor, MockResourceArgs, Mocks, set_mocks

__all__ = ["Request", "recorded", "without_secrets"]


@dataclass(frozen=True)
class Request:
    """A resource as it was asked for; the names of others are URNs, and secrets are marked, not hidden."""

    type: str
    name: str
    parent: str
    provider: str
    after: list[str]
    inputs: dict[str, Any] = field(repr=False)


def recorded(program: Callable[[], None]) -> list[Request]:
    """Everything that a run of the program asks for."""
    recorder = _Recorder()
    asyncio.set_event_loop(asyncio.new_event_loop())  # an asyncio.run() before has taken it away
    set_mocks(_Same(), project="doublegate", stack="any", preview=False, monitor=recorder)
    pulumi.runtime.test(program)()  # type: ignore[no-untyped-call]
    return recorder.requests


def without_secrets(value: Any, hide: Callable[[Any], Any]) -> Any:
    """The value with each marked secret put through `hide`; whole numbers as such."""
    if isinstance(value, dict):
        if value.get(rpc._special_sig_key) == rpc._special_secret_sig:  # noqa: SLF001 - the wire's own mark
            return hide(value["value"])
        return {name: without_secrets(inner, hide) for name, inner in value.items()}
    if isinstance(value, list):
        return [without_secrets(inner, hide) for inner in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


class _Same(Mocks):
    def new_resource(self, args: MockResourceArgs) -> tuple[str | None, dict[Any, Any]]:
        return args.name, args.inputs

    def call(self, args: MockCallArgs) -> tuple[dict[Any, Any], list[tuple[str, str]] | None]:  # noqa: ARG002
        return {}, []


class _Recorder(MockMonitor):
    def __init__(self) -> None:
        super().__init__(_Same())
        self.requests: list[Request] = []

    def RegisterResource(self, request: Any) -> Any:  # noqa: N802 - gRPC's
        if request.type != "pulumi:pulumi:Stack":
            self.requests.append(
                Request(
                    request.type,
                    request.name,
                    request.parent,
                    request.provider,
                    list(request.dependencies),
                    json_format.MessageToDict(request.object),
                )
            )
        return super().RegisterResource(request)  # type: ignore[no-untyped-call]
