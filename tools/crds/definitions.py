"""Both CustomResourceDefinitions, whole."""

from __future__ import annotations

from typing import Any

from doublegate.contract import cel
from doublegate.contract.consumer_spec import ConsumerSpec
from doublegate.contract.consumer_status import ConsumerStatus
from doublegate.contract.replay_resource import ReplaySpec, ReplayStatus
from tools.crds.structural import structural

__all__ = ["definitions"]

GROUP, VERSION = "doublegate.dev", "v1alpha1"
LONGEST_NAME = 52
"""Characters: the names of the objects that are made for a resource are longer, and 63 at most."""
READY = '.status.conditions[?(@.type=="Ready")]'


def definitions() -> dict[str, dict[str, Any]]:
    """The definitions by their names' first word."""
    consumer = _definition(
        "IdempotentConsumer",
        short="idc",
        about="A Kafka consumer whose side effects happen once.",
        spec=structural(ConsumerSpec, "spec", cel.CONSUMER),
        status=structural(ConsumerStatus, "status"),
        columns=[
            _column("Topic", ".spec.kafka.topic"),
            _column("Group", ".spec.kafka.group"),
            _column("Min", ".spec.scaling.minReplicas", "integer"),
            _column("Max", ".spec.scaling.maxReplicas", "integer"),
            _column("Replicas", ".status.replicas", "integer"),
            _column("Lag", ".status.lag", "integer"),
            _column("Ready", f"{READY}.status"),
            _column("Reason", f"{READY}.reason", wide=True),
            _column("Filter", ".status.filter.bytesPerPod", "integer", wide=True),
            _column("TTL", ".spec.ledger.ttl", wide=True),
            _column("DLQ", ".status.dlqOpen", "integer", wide=True),
            _column("Age", ".metadata.creationTimestamp", "date"),
        ],
        scale={
            # Nobody writes replicas into the resource: KEDA or a person scales the Deployment.
            "specReplicasPath": ".spec.scaling.minReplicas",
            "statusReplicasPath": ".status.replicas",
            "labelSelectorPath": ".status.selector",
        },
    )
    replay = _definition(
        "DeadLetterReplay",
        short="dlr",
        about="Sends dead letters of a consumer again, once.",
        spec=structural(ReplaySpec, "spec", cel.REPLAY),
        status=structural(ReplayStatus, "status"),
        columns=[
            _column("Consumer", ".spec.consumerRef.name"),
            _column("Phase", ".status.phase"),
            _column("Matched", ".status.matched", "integer"),
            _column("Replayed", ".status.replayed", "integer"),
            _column("Done", ".status.done", "integer"),
            _column("Failed", ".status.failedAgain", "integer"),
            _column("Reason", f"{READY}.reason", wide=True),
            _column("Age", ".metadata.creationTimestamp", "date"),
        ],
    )
    return {"idempotentconsumers": consumer, "deadletterreplays": replay}


def _definition(
    kind: str,
    *,
    short: str,
    about: str,
    spec: dict[str, Any],
    status: dict[str, Any],
    columns: list[dict[str, Any]],
    scale: dict[str, str] | None = None,
) -> dict[str, Any]:
    plural = f"{kind.lower()}s"
    status["properties"]["conditions"] |= {
        "x-kubernetes-list-type": "map",
        "x-kubernetes-list-map-keys": ["type"],
    }
    longest = {
        "rule": f"size(self.metadata.name) <= {LONGEST_NAME}",
        "message": f"metadata.name: allowed: at most {LONGEST_NAME} characters",
    }
    schema = {
        "description": about,
        "type": "object",
        "required": ["spec"],
        "properties": {
            "apiVersion": {"type": "string"},
            "kind": {"type": "string"},
            "metadata": {"type": "object"},
            "spec": spec,
            "status": status,
        },
        "x-kubernetes-validations": [longest],
    }
    version = {
        "name": VERSION,
        "served": True,
        "storage": True,
        "schema": {"openAPIV3Schema": schema},
        "subresources": {"status": {}, **({"scale": scale} if scale else {})},
        "additionalPrinterColumns": columns,
    }
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.{GROUP}"},
        "spec": {
            "group": GROUP,
            "scope": "Namespaced",
            "names": {
                "kind": kind,
                "listKind": f"{kind}List",
                "plural": plural,
                "singular": kind.lower(),
                "shortNames": [short],
                "categories": ["doublegate"],
            },
            "versions": [version],
        },
    }


def _column(name: str, path: str, kind: str = "string", *, wide: bool = False) -> dict[str, Any]:
    return {"name": name, "type": kind, "jsonPath": path} | ({"priority": 1} if wide else {})
