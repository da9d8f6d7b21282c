"""The platform's objects, as the Pulumi program makes them of `deploy/gitops/stack.yaml`."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from infra.program import platform
from infra.settings import NAMESPACE, Settings, read_settings, wanted_secrets
from tools.render.recording import Request, recorded, without_secrets

__all__ = ["GITOPS", "MADE_UP", "PLACEHOLDER", "Made", "made", "settings"]

ROOT = Path(__file__).parents[2]
GITOPS = ROOT / "deploy" / "gitops"
PLACEHOLDER = "sha256:" + "0" * 64
"""Of every image in the trees: kustomize puts the chosen digest in its place."""
MADE_UP = "made up for the rendering"
"""In place of every secret, since the program wants them; it is in no tree."""


@dataclass(frozen=True)
class Made:
    """An object, and the part of the platform that it belongs to, such as `Kafka`."""

    part: str
    object: dict[str, Any]


def settings() -> Settings:
    """Those of production, with what the trees' own file says, digests that are none, and no real secret.

    Raises:
        InvalidSettings: one line per problem.
    """
    values: dict[str, Any] = {}
    for path in (ROOT / "Pulumi.prod.yaml", GITOPS / "stack.yaml"):
        values |= yaml.safe_load(path.read_text())["config"]
    values = {name.removeprefix(f"{NAMESPACE}:"): value for name, value in values.items()}
    values["images"] = {name: _pinned(image) for name, image in values["images"].items()}
    for consumer in values["consumers"]:
        if "image" in consumer["spec"]:
            consumer["spec"]["image"] = _pinned(consumer["spec"]["image"])
    wanted = wanted_secrets(_encoded(values))
    values["secrets"] = {
        "passwords": dict.fromkeys(wanted.passwords, MADE_UP),
        "certificates": {name: {"certificate": MADE_UP, "key": MADE_UP} for name in wanted.certificates},
        "authority": MADE_UP,
    }
    return read_settings(_encoded(values), frozenset({"secrets"}))


def made(chosen: Settings, hide: Callable[[Any], Any] | None = None) -> list[Made]:
    """Every object.

    Args:
        chosen: the stack.
        hide: what becomes of a secret; by default of Secrets the keys stay, each with an empty value.
    """
    asked = [one for one in recorded(lambda: platform(chosen)) if one.type.startswith("kubernetes:")]
    objects = [Made(_part(one), without_secrets(one.inputs, hide or _emptied)) for one in asked]
    return sorted(objects, key=lambda one: (one.object["kind"], one.object["metadata"]["name"]))


def _part(request: Request) -> str:
    """By its parent's URN, urn:pulumi:stack::project::doublegate:platform:Kafka::kafka."""
    return request.parent.split("::")[2].rpartition(":")[2]


def _emptied(secret: Any) -> Any:
    return dict.fromkeys(secret, "") if isinstance(secret, dict) else ""


def _pinned(image: str) -> str:
    return f"{image}@{PLACEHOLDER}"


def _encoded(values: Mapping[str, Any]) -> dict[str, str]:
    return {name: value if isinstance(value, str) else json.dumps(value) for name, value in values.items()}
