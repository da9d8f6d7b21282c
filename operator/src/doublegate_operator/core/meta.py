"""What all objects of a consumer share: name, labels, owner."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from doublegate.contract.resource import IdempotentConsumer
from doublegate_operator.core.wanted import Object

__all__ = ["HASH_ANNOTATION", "config_name", "labels", "manifest", "selector"]

HASH_ANNOTATION = "doublegate.dev/config-hash"


def selector(name: str) -> dict[str, str]:
    """Labels that a consumer's pods alone have; they never change."""
    return {"app.kubernetes.io/name": "doublegate-consumer", "app.kubernetes.io/instance": name}


def labels(name: str) -> dict[str, str]:
    """Labels of every object."""
    return {**selector(name), "app.kubernetes.io/managed-by": "doublegate-operator"}


def config_name(name: str) -> str:
    """The ConfigMap's name."""
    return f"{name}-config"


def manifest(
    consumer: IdempotentConsumer,
    api_version: str,
    kind: str,
    *,
    name: str | None = None,
    annotations: Mapping[str, str] | None = None,
    **content: Any,
) -> Object:
    """An object that the consumer owns: it goes with it, without a finalizer."""
    own = consumer.metadata
    metadata: Object = {
        "name": name or own.name,
        "namespace": own.namespace,
        "labels": labels(own.name),
        "ownerReferences": [
            {
                "apiVersion": consumer.api_version,
                "kind": consumer.kind,
                "name": own.name,
                "uid": own.uid,
                "controller": True,
            }
        ],
    }
    if annotations:
        metadata["annotations"] = dict(annotations)
    return {"apiVersion": api_version, "kind": kind, "metadata": metadata, **content}
