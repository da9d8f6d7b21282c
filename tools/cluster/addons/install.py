"""Renders and applies their objects."""

from __future__ import annotations

import base64
import shutil
from pathlib import Path
from string import Template
from typing import TYPE_CHECKING

from tools import builds
from tools.cluster import layout
from tools.cluster.kubectl import kubectl

if TYPE_CHECKING:
    from tools.cluster.layout import Layout

__all__ = ["install_coredns", "install_keda", "render_coredns", "render_keda"]

HERE = Path(__file__).parent
APPLY = ("apply", "--server-side", "--field-manager=doublegate-cluster")


def install_coredns(where: Layout, image: str) -> None:
    """Apply the DNS server."""
    kubectl(where, *APPLY, "--filename=-", stdin=render_coredns(image))


def install_keda(where: Layout, *, operator: str, adapter: str) -> None:
    """Apply KEDA, with certificates of the cluster's own."""
    directory = where.data / "keda"
    shutil.copytree(builds.KEDA.program("config"), directory / "config")
    for name, file in (("ca.crt", "keda-ca.crt"), ("tls.crt", "keda.crt"), ("tls.key", "keda.key")):
        shutil.copy(where.pki / file, directory / name)
    authority = (where.pki / "keda-ca.crt").read_bytes()
    (directory / "kustomization.yaml").write_text(render_keda(operator, adapter, authority))
    kubectl(where, *APPLY, f"--kustomize={directory}")


def render_coredns(image: str) -> str:
    """The DNS server's objects."""
    return Template((HERE / "coredns.yaml").read_text()).substitute(
        image=image, domain=layout.CLUSTER_DOMAIN, address=layout.DNS_ADDRESS
    )


def render_keda(operator: str, adapter: str, authority: bytes) -> str:
    """The kustomization on top of KEDA's own manifests."""
    operator_name, operator_tag = operator.rsplit(":", 1)
    adapter_name, adapter_tag = adapter.rsplit(":", 1)
    return Template((HERE / "keda.yaml").read_text()).substitute(
        operator_name=operator_name,
        operator_tag=operator_tag,
        adapter_name=adapter_name,
        adapter_tag=adapter_tag,
        authority=base64.b64encode(authority).decode(),
    )
