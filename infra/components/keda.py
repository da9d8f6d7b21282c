"""KEDA by its chart, in a namespace of its own."""

from __future__ import annotations

from collections.abc import Sequence

import pulumi
import pulumi_kubernetes as k8s

from infra.components.base import Part
from infra.sections import KedaChart

__all__ = ["Keda"]


class Keda(Part):
    """The chart's release.

    Attributes:
        ready: what consumers wait for.
    """

    def __init__(
        self, name: str, provider: k8s.Provider, args: KedaChart, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("Keda", name, provider, None, opts=opts)
        release = k8s.helm.v3.Release(
            "keda",
            name="keda",
            chart="keda",
            version=args.version,
            namespace=args.namespace,
            create_namespace=True,
            repository_opts={"repo": "https://kedacore.github.io/charts"},
            opts=pulumi.ResourceOptions(parent=self, provider=provider),
        )
        self.ready: Sequence[pulumi.Resource] = [release]
        self.register_outputs({})
