"""The cluster's names, addresses, ports and directories; nothing else on the machine shares them."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from doublegate.local.cache import cache_dir

__all__ = ["Layout"]

NODE = "doublegate"
BRIDGE = "dgcluster0"
NFT_TABLE = "doublegate-cluster"
CNI_NETWORK = "doublegate-cluster"
CGROUP = "doublegate-cluster"
CLUSTER_DOMAIN = "cluster.local"

# One network, cut in three, so that one look at the routes tells whether it is free.
NETWORK = "10.199.0.0/16"
PODS = "10.199.16.0/20"
NODE_ADDRESS = "10.199.16.1"
"""The bridge's, and so the pods' gateway."""
SERVICES = "10.199.128.0/17"
API_SERVICE_ADDRESS = "10.199.128.1"
DNS_ADDRESS = "10.199.128.10"
MAX_PODS = 250

# All on the node's address, which belongs to the cluster alone. Not the usual numbers: a server that listens
# on every address of the machine would have those.
API_PORT = 26443
ETCD_PORT = 26379
ETCD_PEER_PORT = 26380
KUBELET_PORT = 26250
KUBELET_HEALTH_PORT = 26248
CONTROLLER_MANAGER_PORT = 26257
SCHEDULER_PORT = 26259
PROXY_HEALTH_PORT = 26256
PROXY_METRICS_PORT = 26249


@dataclass(frozen=True)
class Layout:
    """Where its files are.

    Attributes:
        home: data, configuration, certificates and logs; the logs outlive the cluster.
        run: sockets and state; short, for a socket's path has at most 107 characters.
    """

    home: Path = field(default_factory=lambda: cache_dir() / "cluster")
    run: Path = Path("/run/doublegate-cluster")

    @property
    def lock(self) -> Path:
        """Held while the cluster is started or stopped."""
        return self.home.with_name("cluster.lock")

    @property
    def logs(self) -> Path:
        """A file for each part."""
        return self.home / "logs"

    @property
    def pods_logs(self) -> Path:
        """The containers' output."""
        return self.logs / "pods"

    @property
    def data(self) -> Path:
        """What goes away with the cluster."""
        return self.home / "data"

    @property
    def pki(self) -> Path:
        """Keys and certificates."""
        return self.data / "pki"

    @property
    def config(self) -> Path:
        """The parts' configuration files."""
        return self.data / "config"

    @property
    def kubeconfig(self) -> Path:
        """The administrator's."""
        return self.home / "kubeconfig"

    @property
    def containerd_socket(self) -> Path:
        """Of the node's container runtime."""
        return self.run / "containerd.sock"

    def log(self, part: str) -> Path:
        """One part's log."""
        return self.logs / f"{part}.log"
