"""The kinds that the operator reads and writes, each as plain mappings."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

from lightkube.core.resource import ApiInfo
from lightkube.generic_resource import (
    GenericNamespacedResource,
    GenericNamespacedStatus,
    create_api_info,
)

__all__ = [
    "CONFIG_MAP",
    "CONSUMER",
    "DEPLOYMENT",
    "EVENT",
    "JOB",
    "LEASE",
    "NETWORK_POLICY",
    "OPTIONAL",
    "OWNED",
    "POD",
    "POD_MONITOR",
    "REPLAY",
    "SCALED_OBJECT",
    "SECRET",
    "SERVICE",
    "Kind",
    "built",
    "kind_of",
    "resource",
    "status_resource",
]

Raw = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind as the API serves it.

    Attributes:
        group: of the API; empty for the core.
        version: of the group.
        kind: as manifests name it.
        plural: as paths name it.
    """

    group: str
    version: str
    kind: str
    plural: str

    def __str__(self) -> str:
        return self.kind

    @property
    def api_version(self) -> str:
        """As manifests name it."""
        return f"{self.group}/{self.version}" if self.group else self.version


CONSUMER = Kind("doublegate.dev", "v1alpha1", "IdempotentConsumer", "idempotentconsumers")
REPLAY = Kind("doublegate.dev", "v1alpha1", "DeadLetterReplay", "deadletterreplays")
CONFIG_MAP = Kind("", "v1", "ConfigMap", "configmaps")
SERVICE_ACCOUNT = Kind("", "v1", "ServiceAccount", "serviceaccounts")
SERVICE = Kind("", "v1", "Service", "services")
POD = Kind("", "v1", "Pod", "pods")
SECRET = Kind("", "v1", "Secret", "secrets")
EVENT = Kind("", "v1", "Event", "events")
DEPLOYMENT = Kind("apps", "v1", "Deployment", "deployments")
DISRUPTION_BUDGET = Kind("policy", "v1", "PodDisruptionBudget", "poddisruptionbudgets")
NETWORK_POLICY = Kind("networking.k8s.io", "v1", "NetworkPolicy", "networkpolicies")
SCALED_OBJECT = Kind("keda.sh", "v1alpha1", "ScaledObject", "scaledobjects")
TRIGGER_AUTHENTICATION = Kind("keda.sh", "v1alpha1", "TriggerAuthentication", "triggerauthentications")
POD_MONITOR = Kind("monitoring.coreos.com", "v1", "PodMonitor", "podmonitors")
JOB = Kind("batch", "v1", "Job", "jobs")
LEASE = Kind("coordination.k8s.io", "v1", "Lease", "leases")

OWNED = (
    CONFIG_MAP,
    SERVICE_ACCOUNT,
    SERVICE,
    DEPLOYMENT,
    DISRUPTION_BUDGET,
    NETWORK_POLICY,
    SCALED_OBJECT,
    TRIGGER_AUTHENTICATION,
    POD_MONITOR,
)
"""What a consumer may own; pods are its Deployment's."""

OPTIONAL = (REPLAY, SCALED_OBJECT, TRIGGER_AUTHENTICATION, POD_MONITOR)
"""Kinds that a cluster may lack."""

_BY_NAME = {(kind.api_version, kind.kind): kind for kind in OWNED}


def kind_of(manifest: Raw) -> Kind:
    """The kind of a manifest that a plan made."""
    return _BY_NAME[manifest["apiVersion"], manifest["kind"]]


@functools.cache
def resource(kind: Kind) -> type[GenericNamespacedResource]:
    """Lightkube's class for it: a dict, so that nothing gets lost that the client's models do not know.

    It is not registered with lightkube, whose registry allows one class of a kind in a process.
    """
    info = create_api_info(kind.group, kind.version, kind.kind, kind.plural)
    made = type(kind.kind, (GenericNamespacedResource,), {"_api_info": info})
    return cast("type[GenericNamespacedResource]", made)


def built(kind: Kind, manifest: Raw) -> Any:
    """A manifest as lightkube wants it where it is to be created or replaced."""
    return resource(kind).from_dict(dict(manifest))


@functools.cache
def status_resource(kind: Kind) -> type[GenericNamespacedStatus]:
    """The same for its status subresource."""
    whole = create_api_info(kind.group, kind.version, kind.kind, kind.plural)
    info = ApiInfo(
        resource=whole.resource, parent=whole.resource, plural=kind.plural, verbs=["patch"], action="status"
    )
    made = type(f"{kind.kind}Status", (GenericNamespacedStatus,), {"_api_info": info})
    return cast("type[GenericNamespacedStatus]", made)
