"""What every part is built on: a component that makes plain objects in one namespace of one cluster."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

import pulumi
import pulumi_kubernetes as k8s
from pydantic import SecretStr

from infra.objects import Object

__all__ = ["Part", "Place", "fingerprint", "hidden"]


@dataclass(frozen=True)
class Place:
    """Where objects are made.

    Attributes:
        namespace: its name.
        provider: of the cluster.
        ready: what must be there before anything in it.
    """

    namespace: str
    provider: k8s.Provider
    ready: pulumi.Resource


class Part(pulumi.ComponentResource):
    """One part of the platform.

    Args:
        kind: of the part, such as `Kafka`.
        name: of the part.
        provider: of the cluster.
        namespace: of the objects; None for those of the whole cluster.
        after: what must be there before.
    """

    def __init__(
        self,
        kind: str,
        name: str,
        provider: k8s.Provider,
        namespace: str | None,
        after: Sequence[pulumi.Resource] = (),
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__(f"doublegate:platform:{kind}", name, None, opts)
        self._provider, self._namespace, self._after = provider, namespace, list(after)

    def make(
        self,
        given: Object,
        *,
        after: Sequence[pulumi.Resource] = (),
        namespace: str | None = None,
        options: pulumi.ResourceOptions | None = None,
    ) -> pulumi.CustomResource:
        """Make an object; Pulumi knows it by its name, and by its namespace where that is another."""
        content = dict(given)
        kind, version, metadata = (
            content.pop("kind"),
            content.pop("apiVersion"),
            dict(content.pop("metadata")),
        )
        name, where = str(metadata["name"]), namespace or self._namespace
        if where is not None:
            metadata["namespace"] = where
        own = pulumi.ResourceOptions(parent=self, provider=self._provider, depends_on=[*self._after, *after])
        opts = pulumi.ResourceOptions.merge(own, options)
        title = name if where == self._namespace else f"{name}-{where}"
        made = _KINDS.get((version, kind))
        if made is None:
            return k8s.apiextensions.CustomResource(
                title, api_version=version, kind=kind, metadata=metadata, opts=opts, **content
            )
        arguments = {_snake(key): value for key, value in content.items()}
        resource: pulumi.CustomResource = made(title, metadata=metadata, opts=opts, **arguments)
        return resource


def hidden(value: SecretStr) -> pulumi.Output[str]:
    """A configuration secret as one of Pulumi's."""
    return pulumi.Output.secret(value.get_secret_value())


def fingerprint(data: Mapping[str, Any]) -> pulumi.Output[str]:
    """Changes with the data, so that pods that have read it are replaced; tells nothing of it."""
    text = pulumi.Output.json_dumps(dict(data), sort_keys=True)
    return pulumi.Output.unsecret(text.apply(lambda known: sha256(known.encode()).hexdigest()[:32]))


def _snake(name: str) -> str:
    return re.sub(r"(?<!^)([A-Z])", r"_\1", name).lower()


_KINDS: dict[tuple[str, str], Any] = {
    ("v1", "Namespace"): k8s.core.v1.Namespace,
    ("v1", "Service"): k8s.core.v1.Service,
    ("v1", "ServiceAccount"): k8s.core.v1.ServiceAccount,
    ("v1", "ConfigMap"): k8s.core.v1.ConfigMap,
    ("v1", "Secret"): k8s.core.v1.Secret,
    ("apps/v1", "Deployment"): k8s.apps.v1.Deployment,
    ("apps/v1", "StatefulSet"): k8s.apps.v1.StatefulSet,
    ("batch/v1", "Job"): k8s.batch.v1.Job,
    ("policy/v1", "PodDisruptionBudget"): k8s.policy.v1.PodDisruptionBudget,
    ("networking.k8s.io/v1", "NetworkPolicy"): k8s.networking.v1.NetworkPolicy,
    ("rbac.authorization.k8s.io/v1", "Role"): k8s.rbac.v1.Role,
    ("rbac.authorization.k8s.io/v1", "RoleBinding"): k8s.rbac.v1.RoleBinding,
    ("apiextensions.k8s.io/v1", "CustomResourceDefinition"): k8s.apiextensions.v1.CustomResourceDefinition,
}
