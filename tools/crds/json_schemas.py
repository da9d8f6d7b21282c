"""JSON schemas of what the CRDs define, for kubeconform and editors, which read no CRD."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["file_name", "json_schemas", "strict"]

_INT_OR_STRING = {"oneOf": [{"type": "string"}, {"type": "integer"}]}


def file_name(kind: str, group: str, version: str) -> str:
    """As kubeconform looks for it: `{{.ResourceKind}}-{{.Group}}-{{.ResourceAPIVersion}}.json`."""
    return f"{kind.lower()}-{group}-{version}.json"


def json_schemas(crd: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """By file: one schema for each version."""
    spec, made = crd["spec"], {}
    for version in spec["versions"]:
        schema = strict(version["schema"]["openAPIV3Schema"])
        schema["properties"] |= {
            name: {"type": kind}
            for name, kind in (("apiVersion", "string"), ("kind", "string"), ("metadata", "object"))
        }
        made[file_name(spec["names"]["kind"], spec["group"], version["name"])] = schema
    return made


def strict(schema: Any) -> Any:
    """The same, refusing what it does not name, and taking null where it is allowed."""
    if not isinstance(schema, dict):
        return schema
    if schema.get("x-kubernetes-int-or-string"):
        return _INT_OR_STRING
    made = dict(schema)
    for key in ("items", "additionalProperties"):
        if key in made:
            made[key] = strict(made[key])
    if "properties" in made:  # whose keys are names, also of things like "properties"
        made["properties"] = {name: strict(part) for name, part in made["properties"].items()}
        if not schema.get("x-kubernetes-preserve-unknown-fields"):
            made.setdefault("additionalProperties", False)
    if made.pop("nullable", False) and isinstance(made.get("type"), str):
        made["type"] = [made["type"], "null"]
    return made
