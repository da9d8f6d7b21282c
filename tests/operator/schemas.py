"""JSON schemas for kubeconform: from an API server's own description, and ours as they are handed out.

kubeconform's usual schemas lie on GitHub; these are those of the very server that the tests run on.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.operator.chart import program
from tools import builds
from tools.crds.__main__ import SCHEMAS
from tools.crds.json_schemas import file_name, strict

__all__ = ["conforms", "write_builtin"]

LOCATION = "{{.ResourceKind}}-{{.Group}}-{{.ResourceAPIVersion}}.json"
"""Of a schema in its folder, as kubeconform's option names it; the core's group is called by its version."""
SECONDS = 60
_DEFINITIONS = "_definitions.json"
_KINDS = "x-kubernetes-group-version-kind"
_INT_OR_STRING = {"oneOf": [{"type": "string"}, {"type": "integer"}]}
_QUANTITY = {"oneOf": [{"type": "string"}, {"type": "number"}]}


def conforms(schemas: Path, text: str) -> str:
    """What kubeconform finds wrong; empty when nothing is."""
    done = subprocess.run(
        [
            program(builds.KUBECONFORM, "kubeconform"),
            "-strict",
            f"-schema-location={SCHEMAS}/{LOCATION}",
            f"-schema-location={schemas}/{LOCATION}",
            "-skip=PodMonitor,PrometheusRule",
            "-",
        ],
        input=text,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    return "" if done.returncode == 0 else done.stdout + done.stderr


def write_builtin(folder: Path, openapi: Mapping[str, Any]) -> None:
    """Schemas of the server's kinds, from its `/openapi/v2`."""
    definitions = {name: strict(schema) for name, schema in openapi["definitions"].items()}
    for name in definitions:
        if name.endswith(".IntOrString"):
            definitions[name] = _INT_OR_STRING
        elif name.endswith(".api.resource.Quantity"):
            definitions[name] = _QUANTITY
    (folder / _DEFINITIONS).write_text(json.dumps({"definitions": definitions}))
    for name, schema in openapi["definitions"].items():
        for kind in schema.get(_KINDS, []):
            _write(folder, kind, {"$ref": f"{_DEFINITIONS}#/definitions/{name}"})


def _write(folder: Path, kind: Mapping[str, str], schema: Mapping[str, Any]) -> None:
    name = file_name(kind["kind"], kind["group"] or kind["version"], kind["version"])
    (folder / name).write_text(json.dumps(schema))
