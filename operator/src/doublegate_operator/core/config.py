"""What the pods read: the resource as resolved, the Secrets it names, and the hash over all of it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping

import yaml

from doublegate.contract.consumer_spec import ConsumerSpec
from doublegate.contract.resource import IdempotentConsumer
from doublegate_operator.core.meta import config_name, manifest
from doublegate_operator.core.wanted import Object

__all__ = ["config_map", "content_hash", "resolved", "secret_refs"]


def resolved(consumer: IdempotentConsumer) -> str:
    """The resource as YAML, every default written out.

    What pods do not act on is left out, so that changing it moves no partition: their own template, how many
    there are, and which fields they read.
    """
    whole = consumer.model_dump(mode="json", by_alias=True, exclude_none=True)
    metadata, spec = whole["metadata"], whole["spec"]
    spec.pop("pod")
    spec.pop("image", None)
    spec["scaling"] = {"initialRate": spec["scaling"]["initialRate"]}
    spec.get("schema", {}).pop("reads", None)
    identity = {key: metadata[key] for key in ("name", "namespace", "uid") if key in metadata}
    return yaml.safe_dump({**whole, "metadata": identity, "spec": spec}, sort_keys=False)


def config_map(consumer: IdempotentConsumer, config: str) -> Object:
    """The ConfigMap with it."""
    name = config_name(consumer.metadata.name)
    return manifest(consumer, "v1", "ConfigMap", name=name, data={"consumer.yaml": config})


def secret_refs(spec: ConsumerSpec) -> list[str]:
    """Names of the Secrets that the pods mount, each once."""
    refs = (
        spec.kafka.security_ref,
        spec.ledger.secret_ref,
        spec.inbox.secret_ref if spec.inbox else None,
        spec.schema_.secret_ref if spec.schema_ else None,
    )
    return sorted({ref for ref in refs if ref is not None})


def content_hash(template: Object, config: str, secrets: Mapping[str, str | None]) -> str:
    """The same for the same content; a Secret counts by its fingerprint."""
    content = json.dumps([template, config, dict(secrets)], sort_keys=True).encode()
    return hashlib.sha256(content).hexdigest()[:16]
