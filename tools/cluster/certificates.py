"""Who is who: the authorities of one cluster, its certificates and kubeconfigs, made anew at each start."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import trustme
import yaml
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from tools.cluster import layout

__all__ = ["CLIENTS", "KEDA_NAMES", "Client", "kubeconfig", "write"]

API_NAMES = (
    "kubernetes",
    "kubernetes.default",
    "kubernetes.default.svc",
    f"kubernetes.default.svc.{layout.CLUSTER_DOMAIN}",
    layout.API_SERVICE_ADDRESS,
    layout.NODE_ADDRESS,
)
KEDA_NAMES = tuple(
    f"{service}.keda.svc{suffix}"
    for service in ("keda-operator", "keda-metrics-apiserver")
    for suffix in ("", f".{layout.CLUSTER_DOMAIN}")
)
FRONT_PROXY = "front-proxy-client"


@dataclass(frozen=True)
class Client:
    """One who speaks to the API server: its file's name, its user and its group."""

    name: str
    user: str
    group: str | None = None


CLIENTS = (
    Client("admin", "doublegate-admin", "system:masters"),
    Client("controller-manager", "system:kube-controller-manager"),
    Client("scheduler", "system:kube-scheduler"),
    Client("proxy", "system:kube-proxy"),
    Client("kubelet", f"system:node:{layout.NODE}", "system:nodes"),
    Client("apiserver-to-kubelet", "apiserver-kubelet-client", "system:masters"),
)


def write(pki: Path) -> None:
    """Fill a directory that only its owner may read.

    Each kind of trust has an authority of its own: who may speak to the API server may not speak to etcd,
    and nobody but the API server may claim to have authenticated somebody else.
    """
    pki.mkdir(mode=0o700, parents=True)
    cluster, etcd, front, keda = (trustme.CA(organization_name="doublegate-cluster") for _ in range(4))
    for name, authority in (("ca", cluster), ("etcd-ca", etcd), ("front-ca", front), ("keda-ca", keda)):
        authority.cert_pem.write_to_path(pki / f"{name}.crt")
    _key(pki / "ca.key", cluster.private_key_pem.bytes())  # for certificate signing requests
    _issue(pki / "apiserver", cluster, *API_NAMES)
    _issue(pki / "node", cluster, layout.NODE, layout.NODE_ADDRESS)
    for client in CLIENTS:
        _issue(pki / client.name, cluster, _no_host(client.name), user=client.user, group=client.group)
    _issue(pki / "etcd", etcd, layout.NODE_ADDRESS)
    _issue(pki / "front", front, _no_host("front"), user=FRONT_PROXY)
    _issue(pki / "keda", keda, *KEDA_NAMES)
    _service_account_key(pki)


def kubeconfig(pki: Path, client: str) -> str:
    """A client's configuration, complete in itself."""

    def encoded(name: str) -> str:
        return base64.b64encode((pki / name).read_bytes()).decode()

    name = layout.CGROUP
    content: dict[str, Any] = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [
            {
                "name": name,
                "cluster": {
                    "server": f"https://{layout.NODE_ADDRESS}:{layout.API_PORT}",
                    "certificate-authority-data": encoded("ca.crt"),
                },
            }
        ],
        "users": [
            {
                "name": client,
                "user": {
                    "client-certificate-data": encoded(f"{client}.crt"),
                    "client-key-data": encoded(f"{client}.key"),
                },
            }
        ],
        "contexts": [{"name": name, "context": {"cluster": name, "user": client}}],
        "current-context": name,
    }
    return yaml.safe_dump(content, sort_keys=False)


def _issue(
    path: Path, authority: trustme.CA, *names: str, user: str | None = None, group: str | None = None
) -> None:
    leaf = authority.issue_cert(*names, common_name=user or path.name, organization_name=group)
    path.with_suffix(".crt").write_bytes(b"".join(pem.bytes() for pem in leaf.cert_chain_pems))
    _key(path.with_suffix(".key"), leaf.private_key_pem.bytes())


def _no_host(client: str) -> str:
    """A name that no server has: Go refuses a certificate without any."""
    return f"{client}.invalid"


def _service_account_key(pki: Path) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    _key(pki / "sa.key", key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption()))
    (pki / "sa.pub").write_bytes(
        key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    )


def _key(path: Path, content: bytes) -> None:
    path.touch(mode=0o600)
    path.write_bytes(content)
