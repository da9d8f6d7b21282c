"""What all objects of a resource share: name, labels, owner."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from doublegate.contract.replay_resource import DeadLetterReplay
from doublegate.contract.resource import IdempotentConsumer
from doublegate_operator.core.wanted import Object

__all__ = ["HASH_ANNOTATION", "config_name", "labels", "manifest", "selector"]

HASH_ANNOTATION = "doublegate.dev/config-hash"


_APPLICATIONS = {"IdempotentConsumer": "doublegate-consumer", "DeadLetterReplay": "doublegate-replay"}


def selector(name: str, kind: str = "IdempotentConsumer") -> dict[str, str]:
    """Labels that a resource's pods alone have; they never change."""
    return {"app.kubernetes.io/name": _APPLICATIONS[kind], "app.kubernetes.io/instance": name}


def labels(owner: IdempotentConsumer | DeadLetterReplay) -> dict[str, str]:
    """Labels of every object."""
    return {
        **selector(owner.metadata.name, owner.kind),
        "app.kubernetes.io/managed-by": "doublegate-operator",
    }


def config_name(name: str) -> str:
    """The ConfigMap's name."""
    return f"{name}-config"


def manifest(
    owner: IdempotentConsumer | DeadLetterReplay,
    api_version: str,
    kind: str,
    *,
    name: str | None = None,
    annotations: Mapping[str, str] | None = None,
    **content: Any,
) -> Object:
    """An object that the resource owns: it goes with it, without a finalizer."""
    own = owner.metadata
    metadata: Object = {
        "name": name or own.name,
        "namespace": own.namespace,
        "labels": labels(owner),
        "ownerReferences": [
            {
                "apiVersion": owner.api_version,
                "kind": owner.kind,
                "name": own.name,
                "uid": own.uid,
                "controller": True,
            }
        ],
    }
    if annotations:
        metadata["annotations"] = dict(annotations)
    return {"apiVersion": api_version, "kind": kind, "metadata": metadata, **content}
