"""The objects as files of kustomize, in the trees that are applied one after the other; pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import yaml

from tools.render.platform import Made

__all__ = ["TREES", "health_settings", "trees"]

TREES = ("crds", "operator", "platform", "consumers", "monitoring")
"""In their order; the last one is for clusters with Prometheus' operator."""

HEADER = "# Made by `make render`: change stack.yaml or the Pulumi program, not this file.\n"
HEALTH_HEADER = "# Made by `make render` from health/: change these, not this file.\n"
KINDS = ("doublegate.dev_IdempotentConsumer", "doublegate.dev_DeadLetterReplay")
_MONITORING = ("PodMonitor", "PrometheusRule", "ConfigMap")
# Volumes and every consumer would go with them, so nothing but a person deletes them.
_KEPT = {
    "argocd.argoproj.io/sync-options": "Prune=false,Delete=false",
    "kustomize.toolkit.fluxcd.io/prune": "disabled",
}
# A Job can't be changed: it is made anew, in Argo CD once the brokers are healthy.
_AGAIN = {
    "argocd.argoproj.io/sync-options": "Force=true,Replace=true",
    "argocd.argoproj.io/sync-wave": "1",
    "kustomize.toolkit.fluxcd.io/force": "enabled",
}
_ADDED = {"Namespace": _KEPT, "CustomResourceDefinition": _KEPT, "Job": _AGAIN}
# Of Pulumi's own use, or a digest of secrets that are made up here.
_PULUMIS = ("pulumi.com/", "app.kubernetes.io/managed-by", "doublegate.dev/secret")


def trees(objects: Iterable[Made]) -> dict[str, str]:
    """Files by their path below `deploy/gitops`; Secrets are left out."""
    files: dict[str, list[dict[str, Any]]] = {}
    for one in objects:
        if one.object["kind"] != "Secret":
            files.setdefault(_path(one), []).append(_cleaned(one.object))
    rendered = {path: HEADER + _dump(*found) for path, found in files.items()}
    for tree in TREES:
        names = [path.partition("/")[2] for path in files if path.startswith(f"{tree}/")]
        rendered[f"{tree}/kustomization.yaml"] = HEADER + _dump(_kustomization(tree, names))
    return rendered


def health_settings(scripts: Mapping[str, str]) -> str:
    """The part of Argo CD's own ConfigMap that tells the health of our kinds, and of Applications.

    Args:
        scripts: Lua by the name of its file, without the ending.
    """
    shown = dict.fromkeys(KINDS, scripts["doublegate"]) | {"argoproj.io_Application": scripts["application"]}
    labels = {"app.kubernetes.io/name": "argocd-cm", "app.kubernetes.io/part-of": "argocd"}
    return HEALTH_HEADER + _dump(
        {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": "argocd-cm", "namespace": "argocd", "labels": labels},
            "data": {f"resource.customizations.health.{kind}": script for kind, script in shown.items()},
        }
    )


def _path(made: Made) -> str:
    kind, name = made.object["kind"], made.object["metadata"]["name"]
    match made.part:
        case "Definitions":
            return f"crds/{name.partition('.')[0]}.yaml"
        case "Namespace":
            return "operator/namespace.yaml"
        case "Operator":
            return "monitoring/operator.yaml" if kind in _MONITORING else "operator/operator.yaml"
        case "Consumer":
            return f"consumers/{name}.yaml"
        case part:
            return f"platform/{part.lower()}.yaml"


def _kustomization(tree: str, names: Iterable[str]) -> dict[str, Any]:
    made = {"apiVersion": "kustomize.config.k8s.io/v1beta1", "kind": "Kustomization"}
    images = {} if tree in {"crds", "monitoring"} else {"components": ["../images"]}
    return {**made, "resources": sorted(names), **images}


def _cleaned(given: dict[str, Any]) -> dict[str, Any]:
    made: dict[str, Any] = _without_marks(given)
    if added := _ADDED.get(made["kind"]):
        metadata = made["metadata"]
        made = {**made, "metadata": {**metadata, "annotations": {**metadata.get("annotations", {}), **added}}}
    return made


def _without_marks(value: Any) -> Any:
    """The same without Pulumi's marks, and without the annotations or labels that nothing is left of."""
    if isinstance(value, list):
        return [_without_marks(inner) for inner in value]
    if not isinstance(value, dict):
        return value
    kept = {key: _without_marks(inner) for key, inner in value.items() if not key.startswith(_PULUMIS)}
    return {key: inner for key, inner in kept.items() if inner or key not in {"annotations", "labels"}}


class _Dumper(yaml.SafeDumper):
    """Texts of several lines as such, so that a difference can be read."""


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    style = "|" if "\n" in text else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _text)


def _dump(*objects: dict[str, Any]) -> str:
    return yaml.dump_all(objects, Dumper=_Dumper, sort_keys=True, width=110)
