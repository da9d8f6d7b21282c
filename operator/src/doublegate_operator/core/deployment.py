"""The Deployment: the consumer's pods."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from doublegate.contract.consumer_spec import ConsumerSpec
from doublegate.contract.resource import IdempotentConsumer
from doublegate_operator.core.config import content_hash, secret_refs
from doublegate_operator.core.meta import HASH_ANNOTATION, config_name, labels, manifest, selector
from doublegate_operator.core.network import PORT
from doublegate_operator.core.pod import RESTRICTED, environment, scheduling
from doublegate_operator.core.quantity import mebibytes, parse_quantity
from doublegate_operator.core.sizing import pod_memory
from doublegate_operator.core.wanted import Object

__all__ = ["deployment"]

_DRAIN_SECONDS = 30.0
"""What the runtime gives started effects at a revocation, when their timeout is not longer."""
_HAND_OVER_SECONDS = 15
"""Then it returns claims, commits and leaves the group."""


def deployment(
    consumer: IdempotentConsumer, image: str, partitions: int, config: str, secrets: Mapping[str, str | None]
) -> Object:
    """The pods, without `replicas`: that number is the autoscaler's, or yours.

    Args:
        consumer: the resource.
        image: to run.
        partitions: of the source; one pod may hold all.
        config: what it reads as consumer.yaml.
        secrets: fingerprints by name; with the configuration and the template itself they make the content
            hash, so that whatever changes for a pod makes new pods.
    """
    name, pod = consumer.metadata.name, consumer.spec.pod
    template: Object = {
        "metadata": {"labels": {**pod.labels, **labels(consumer)}, "annotations": dict(pod.annotations)},
        "spec": _pod(consumer, image, partitions),
    }
    mounted = {ref: secrets.get(ref) for ref in secret_refs(consumer.spec)}
    digest = content_hash(template, config, mounted)
    template["metadata"]["annotations"][HASH_ANNOTATION] = digest
    spec = {
        "selector": {"matchLabels": selector(name)},
        "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}},
        "template": template,
    }
    return manifest(consumer, "apps/v1", "Deployment", annotations={HASH_ANNOTATION: digest}, spec=spec)


def _pod(consumer: IdempotentConsumer, image: str, partitions: int) -> Object:
    name, spec, pod = consumer.metadata.name, consumer.spec, consumer.spec.pod
    drain = math.ceil(max(spec.handler.timeout + 1, _DRAIN_SECONDS)) + _HAND_OVER_SECONDS
    volumes: list[Object] = [
        {"name": "resource", "configMap": {"name": config_name(name)}},
        {"name": "tmp", "emptyDir": {}},
        *({"name": f"secret-{i}", "secret": {"secretName": r}} for i, r in enumerate(secret_refs(spec))),
        *pod.volumes,
    ]
    made: Object = {
        "serviceAccountName": pod.service_account_name or name,
        "automountServiceAccountToken": pod.service_account_name is not None,
        "enableServiceLinks": False,  # KAFKA_PORT and its like would be taken for settings
        "terminationGracePeriodSeconds": pod.termination_grace_period_seconds or drain,
        "containers": [_container(spec, image, partitions)],
        "volumes": volumes,
        **scheduling(pod),
    }
    if pod.topology_spread_constraints:
        made["topologySpreadConstraints"] = pod.topology_spread_constraints
    return made


def _container(spec: ConsumerSpec, image: str, partitions: int) -> Object:
    secrets = "/etc/doublegate/secrets"
    return {
        "name": "consumer",
        "image": image,
        "ports": [{"name": "http", "containerPort": PORT, "protocol": "TCP"}],
        "resources": _resources(spec, partitions),
        "securityContext": RESTRICTED,
        # A start waits for brokers and the ledger; only later is silence a reason to end it.
        "startupProbe": _probe("/livez", periodSeconds=2, failureThreshold=60),
        "livenessProbe": _probe("/livez", periodSeconds=10, failureThreshold=3),
        "readinessProbe": _probe("/readyz", periodSeconds=2, failureThreshold=2),
        "volumeMounts": [
            {"name": "resource", "mountPath": "/etc/doublegate/consumer.yaml", "subPath": "consumer.yaml"},
            {"name": "tmp", "mountPath": "/tmp"},  # noqa: S108 the pod's own
            *(
                {"name": f"secret-{i}", "mountPath": f"{secrets}/{ref}", "readOnly": True}
                for i, ref in enumerate(secret_refs(spec))
            ),
            *spec.pod.volume_mounts,
        ],
        **environment(spec.pod),
    }


def _probe(path: str, **more: int) -> Object:
    return {"httpGet": {"path": path, "port": "http"}, "timeoutSeconds": 5, **more}


def _resources(spec: ConsumerSpec, partitions: int) -> Object:
    """As given, with the memory that the gate needs where no limit is given."""
    given: dict[str, Any] = dict(spec.pod.resources)
    limits, requests = dict(given.get("limits") or {}), dict(given.get("requests") or {})
    if "memory" not in limits:
        needed = pod_memory(spec, partitions).needed
        limits["memory"] = mebibytes(max(needed, parse_quantity(requests.get("memory")) or 0))
    requests.setdefault("memory", limits["memory"])
    requests.setdefault("cpu", limits.get("cpu", "100m"))
    return {**given, "limits": limits, "requests": requests}
