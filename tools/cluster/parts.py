"""The processes of the cluster: how each is started and when it serves."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import requests

from tools import builds
from tools.cluster import layout
from tools.run import output

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tools.cluster.layout import Layout

__all__ = ["Part", "control_plane", "foundation", "node"]

PROBE_SECONDS = 5
START_SECONDS = 90.0


@dataclass(frozen=True)
class Part:
    """One process.

    Attributes:
        name: of it, its log and its entry in the state.
        argv: how it is started.
        check: returns when it serves, raises when it does not.
    """

    name: str
    argv: list[str]
    check: Callable[[], None]


def foundation(where: Layout) -> list[Part]:
    """What needs nothing else: the store and the container runtime."""
    program, socket = builds.CONTAINERD.program, where.containerd_socket

    def runtime_answers() -> None:
        output(program("ctr"), "--address", socket, "version", seconds=PROBE_SECONDS)

    return [
        Part(
            "containerd",
            [str(program("containerd")), "--config", f"{where.config}/containerd.toml"],
            runtime_answers,
        ),
        _etcd(where),
    ]


def control_plane(where: Layout) -> list[Part]:
    """The API server."""
    pki = where.pki
    files = {
        "client-ca-file": "ca.crt",
        "tls-cert-file": "apiserver.crt",
        "tls-private-key-file": "apiserver.key",
        "etcd-cafile": "etcd-ca.crt",
        "etcd-certfile": "etcd.crt",
        "etcd-keyfile": "etcd.key",
        "kubelet-certificate-authority": "ca.crt",
        "kubelet-client-certificate": "apiserver-to-kubelet.crt",
        "kubelet-client-key": "apiserver-to-kubelet.key",
        "service-account-key-file": "sa.pub",
        "service-account-signing-key-file": "sa.key",
        # Aggregation: KEDA's metrics are served by a server that trusts this one's word on who asks.
        "requestheader-client-ca-file": "front-ca.crt",
        "proxy-client-cert-file": "front.crt",
        "proxy-client-key-file": "front.key",
    }
    options = {
        "etcd-servers": f"https://{layout.NODE_ADDRESS}:{layout.ETCD_PORT}",
        "bind-address": layout.NODE_ADDRESS,
        "advertise-address": layout.NODE_ADDRESS,
        "secure-port": str(layout.API_PORT),
        "service-cluster-ip-range": layout.SERVICES,
        "service-account-issuer": f"https://kubernetes.default.svc.{layout.CLUSTER_DOMAIN}",
        "authorization-mode": "Node,RBAC",
        "enable-admission-plugins": "NodeRestriction",  # besides the usual ones, PodSecurity among them
        "allow-privileged": "true",
        "kubelet-preferred-address-types": "InternalIP",
        "requestheader-allowed-names": "front-proxy-client",
        "requestheader-username-headers": "X-Remote-User",
        "requestheader-group-headers": "X-Remote-Group",
        "requestheader-extra-headers-prefix": "X-Remote-Extra-",
        "enable-aggregator-routing": "true",
        "shutdown-delay-duration": "0s",
        **{name: f"{pki}/{file}" for name, file in files.items()},
    }

    def ready() -> None:
        _get(f"https://{layout.NODE_ADDRESS}:{layout.API_PORT}/readyz", pki / "ca.crt", pki / "admin")

    return [Part("kube-apiserver", _command("kube-apiserver", options), ready)]


def node(where: Layout) -> list[Part]:
    """What makes pods out of objects."""
    pki, config = where.pki, where.config
    serving = {"tls-cert-file": f"{pki}/node.crt", "tls-private-key-file": f"{pki}/node.key"}
    manager = {
        "kubeconfig": f"{config}/controller-manager.kubeconfig",
        "leader-elect": "false",
        "bind-address": layout.NODE_ADDRESS,
        "secure-port": str(layout.CONTROLLER_MANAGER_PORT),
        "root-ca-file": f"{pki}/ca.crt",
        "service-account-private-key-file": f"{pki}/sa.key",
        "use-service-account-credentials": "true",
        "cluster-signing-cert-file": f"{pki}/ca.crt",
        "cluster-signing-key-file": f"{pki}/ca.key",
        # The usual limits make the first seconds of an empty cluster long.
        "kube-api-qps": "300",
        "kube-api-burst": "500",
        "pvclaimbinder-sync-period": "1s",
        "horizontal-pod-autoscaler-sync-period": "5s",  # a third of the usual: tests wait for it often
        **serving,
    }
    scheduler = {
        "kubeconfig": f"{config}/scheduler.kubeconfig",
        "leader-elect": "false",
        "bind-address": layout.NODE_ADDRESS,
        "secure-port": str(layout.SCHEDULER_PORT),
        **serving,
    }
    kubelet = {
        "config": f"{config}/kubelet.yaml",
        "kubeconfig": f"{config}/kubelet.kubeconfig",
        "root-dir": f"{where.data}/kubelet",
        "cert-dir": f"{where.data}/kubelet/pki",
        "containerd": str(where.containerd_socket),  # cadvisor's, else containers have no labels
        "hostname-override": layout.NODE,
        "node-ip": layout.NODE_ADDRESS,
    }

    def manages() -> None:
        _get(f"https://{layout.NODE_ADDRESS}:{layout.CONTROLLER_MANAGER_PORT}/healthz", pki / "ca.crt")

    def schedules() -> None:
        _get(f"https://{layout.NODE_ADDRESS}:{layout.SCHEDULER_PORT}/healthz", pki / "ca.crt")

    def carries_out() -> None:
        _get(f"http://{layout.NODE_ADDRESS}:{layout.KUBELET_HEALTH_PORT}/healthz")

    def routes() -> None:  # says so once its rules are there: no pod dials a service before
        _get(f"http://{layout.NODE_ADDRESS}:{layout.PROXY_HEALTH_PORT}/healthz")

    return [
        Part("kube-controller-manager", _command("kube-controller-manager", manager), manages),
        Part("kube-scheduler", _command("kube-scheduler", scheduler), schedules),
        Part("kubelet", _command("kubelet", kubelet), carries_out),
        Part("kube-proxy", _command("kube-proxy", {"config": f"{config}/proxy.yaml"}), routes),
    ]


def _etcd(where: Layout) -> Part:
    pki, name = where.pki, layout.NODE
    clients = f"https://{layout.NODE_ADDRESS}:{layout.ETCD_PORT}"
    peers = f"https://{layout.NODE_ADDRESS}:{layout.ETCD_PEER_PORT}"
    options = {
        "name": name,
        "data-dir": f"{where.data}/etcd",
        "listen-client-urls": clients,
        "advertise-client-urls": clients,
        "listen-peer-urls": peers,
        "initial-advertise-peer-urls": peers,
        "initial-cluster": f"{name}={peers}",
        "log-level": "warn",
        "unsafe-no-fsync": "true",  # the cluster does not outlive the machine
    }
    for prefix in ("", "peer-"):
        options |= {
            f"{prefix}client-cert-auth": "true",
            f"{prefix}trusted-ca-file": f"{pki}/etcd-ca.crt",
            f"{prefix}cert-file": f"{pki}/etcd.crt",
            f"{prefix}key-file": f"{pki}/etcd.key",
        }

    def healthy() -> None:
        _get(f"{clients}/health", pki / "etcd-ca.crt", pki / "etcd")

    return Part("etcd", [str(builds.ETCD.program("etcd")), *_flags(options)], healthy)


def _command(program: str, options: dict[str, str]) -> list[str]:
    return [str(builds.KUBERNETES.program(program)), *_flags(options)]


def _flags(options: dict[str, str]) -> list[str]:
    return [f"--{name}={value}" for name, value in options.items()]


def _get(url: str, authority: Path | None = None, client: Path | None = None) -> None:
    with requests.Session() as session:
        session.trust_env = False  # neither proxies nor another bundle of authorities
        answer = session.get(
            url,
            verify=str(authority) if authority else True,
            cert=(f"{client}.crt", f"{client}.key") if client else None,
            timeout=PROBE_SECONDS,
        )
    answer.raise_for_status()
