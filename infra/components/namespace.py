"""The stack's namespace: only restricted pods, and nobody in but whom a part lets in."""

from __future__ import annotations

import pulumi
import pulumi_kubernetes as k8s

from infra.components.base import Part, Place
from infra.objects import labels

__all__ = ["Namespace"]


class Namespace(Part):
    """The namespace.

    Attributes:
        place: for the other parts.
    """

    def __init__(self, name: str, provider: k8s.Provider, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("Namespace", name, provider, None, opts=opts)
        marks = {**labels("namespace"), "pod-security.kubernetes.io/enforce": "restricted"}
        made = self.make(
            {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": marks}}
        )
        self.place = Place(name, provider, made)
        closed = {
            "apiVersion": "networking.k8s.io/v1",
            "kind": "NetworkPolicy",
            "metadata": {"name": "nobody", "labels": labels("namespace")},
            "spec": {"podSelector": {}, "policyTypes": ["Ingress"]},
        }
        self.make(closed, namespace=name, after=[made])
        self.register_outputs({"namespace": name})
