"""JSON schemas for kubeconform: from an API server's own description, and from our CRDs.

kubeconform's usual schemas lie on GitHub; these are those of the very server that the tests run on.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

__all__ = ["LOCATION", "write_builtin", "write_custom"]

LOCATION = "{{.ResourceKind}}-{{.Group}}-{{.ResourceAPIVersion}}.json"
"""Of a schema in its folder, as kubeconform's option names it; the core's group is called by its version."""
_DEFINITIONS = "_definitions.json"
_KINDS = "x-kubernetes-group-version-kind"
_INT_OR_STRING = {"oneOf": [{"type": "string"}, {"type": "integer"}]}
_QUANTITY = {"oneOf": [{"type": "string"}, {"type": "number"}]}


def write_builtin(folder: Path, openapi: Mapping[str, Any]) -> None:
    """Schemas of the server's kinds, from its `/openapi/v2`."""
    definitions = {name: _strict(schema) for name, schema in openapi["definitions"].items()}
    for name in definitions:
        if name.endswith(".IntOrString"):
            definitions[name] = _INT_OR_STRING
        elif name.endswith(".api.resource.Quantity"):
            definitions[name] = _QUANTITY
    (folder / _DEFINITIONS).write_text(json.dumps({"definitions": definitions}))
    for name, schema in openapi["definitions"].items():
        for kind in schema.get(_KINDS, []):
            _write(folder, kind, {"$ref": f"{_DEFINITIONS}#/definitions/{name}"})


def write_custom(folder: Path, crds: Iterable[Mapping[str, Any]]) -> None:
    """Schemas of what CRDs define."""
    for crd in crds:
        spec = crd["spec"]
        for version in spec["versions"]:
            schema = _strict(version["schema"]["openAPIV3Schema"])
            schema["properties"] |= {
                name: {"type": kind}
                for name, kind in (("apiVersion", "string"), ("kind", "string"), ("metadata", "object"))
            }
            names = {"kind": spec["names"]["kind"], "group": spec["group"], "version": version["name"]}
            _write(folder, names, schema)


def _write(folder: Path, kind: Mapping[str, str], schema: Mapping[str, Any]) -> None:
    name = f"{kind['kind'].lower()}-{kind['group'] or kind['version']}-{kind['version']}.json"
    (folder / name).write_text(json.dumps(schema))


def _strict(schema: Any) -> Any:
    """The same, refusing what it does not name, and taking null where it is allowed."""
    if not isinstance(schema, dict):
        return schema
    if schema.get("x-kubernetes-int-or-string"):
        return _INT_OR_STRING
    made = dict(schema)
    for key in ("items", "additionalProperties"):
        if key in made:
            made[key] = _strict(made[key])
    if "properties" in made:  # whose keys are names, also of things like "properties"
        made["properties"] = {name: _strict(part) for name, part in made["properties"].items()}
        if not schema.get("x-kubernetes-preserve-unknown-fields"):
            made.setdefault("additionalProperties", False)
    if made.pop("nullable", False) and isinstance(made.get("type"), str):
        made["type"] = [made["type"], "null"]
    return made
