"""The parts' configuration files, as text."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import yaml

from tools.cluster import layout

if TYPE_CHECKING:
    from pathlib import Path

    from tools.cluster.layout import Layout

__all__ = ["cni", "containerd", "kubelet", "proxy"]

CONTAINERD = """\
version = 4
root = "{data}/containerd"
state = "{run}/containerd"
oom_score = 0
imports = []
disabled_plugins = [
  "io.containerd.nri.v1.nri",
  "io.containerd.snapshotter.v1.blockfile",
  "io.containerd.snapshotter.v1.btrfs",
  "io.containerd.snapshotter.v1.devmapper",
  "io.containerd.snapshotter.v1.erofs",
  "io.containerd.snapshotter.v1.zfs",
]

[plugins."io.containerd.server.v1.grpc"]
  address = "{socket}"
[plugins."io.containerd.server.v1.ttrpc"]
  address = "{socket}.ttrpc"
[plugins."io.containerd.shim.v1.manager"]
  socket_dir = "{run}/shims"
[plugins."io.containerd.internal.v1.opt"]
  path = "{data}/opt"
[plugins."io.containerd.image-verifier.v1.bindir"]
  bin_dir = "{data}/opt/image-verifier"
# What is lost in a power failure is lost with the cluster anyway.
[plugins."io.containerd.metadata.v1.bolt"]
  no_sync = true

[plugins."io.containerd.cri.v1.images"]
  snapshotter = "overlayfs"
[plugins."io.containerd.cri.v1.images".pinned_images]
  sandbox = "{pause}"

[plugins."io.containerd.cri.v1.runtime"]
  netns_mounts_under_state_dir = true
  # A machine of a CI service may lack the capability to lower a score, and its kernel AppArmor.
  restrict_oom_score_adj = true
  disable_apparmor = true
  cdi_spec_dirs = []
[plugins."io.containerd.cri.v1.runtime".containerd]
  default_runtime_name = "runc"
[plugins."io.containerd.cri.v1.runtime".containerd.runtimes.runc]
  runtime_type = "io.containerd.runc.v2"
  runtime_path = "{shim}"
[plugins."io.containerd.cri.v1.runtime".containerd.runtimes.runc.options]
  BinaryName = "{runc}"
  Root = "{run}/runc"
  SystemdCgroup = false
[plugins."io.containerd.cri.v1.runtime".cni]
  bin_dirs = ["{cni}"]
  conf_dir = "{config}/cni"
  use_internal_loopback = true
"""


def containerd(where: Layout, *, pause: str, shim: Path, runc: str, cni: Path) -> str:
    """The container runtime's: everything of it lies below the cluster's own directories."""
    return CONTAINERD.format(
        data=where.data,
        run=where.run,
        config=where.config,
        socket=where.containerd_socket,
        pause=pause,
        shim=shim,
        runc=runc,
        cni=cni,
    )


def cni(where: Layout) -> str:
    """The pods' network: one bridge, addresses in order.

    Masquerading is not the plugin's, which would leave a chain per pod behind (see `network`).
    """
    bridge = {
        "type": "bridge",
        "bridge": layout.BRIDGE,
        "isDefaultGateway": True,
        "hairpinMode": True,  # a pod may reach itself through its service
        "ipam": {
            "type": "host-local",
            "dataDir": f"{where.run}/addresses",
            "ranges": [[{"subnet": layout.PODS}]],
        },
    }
    return json.dumps({"cniVersion": "1.0.0", "name": layout.CNI_NETWORK, "plugins": [bridge]}, indent=2)


def kubelet(where: Layout) -> str:
    """The node agent's."""
    pki = where.pki
    socket = f"unix://{where.containerd_socket}"
    content: dict[str, Any] = {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "address": layout.NODE_ADDRESS,
        "port": layout.KUBELET_PORT,
        "healthzBindAddress": layout.NODE_ADDRESS,
        "healthzPort": layout.KUBELET_HEALTH_PORT,
        "containerRuntimeEndpoint": socket,
        "imageServiceEndpoint": socket,
        "authentication": {
            "anonymous": {"enabled": False},
            "webhook": {"enabled": True},
            "x509": {"clientCAFile": f"{pki}/ca.crt"},
        },
        "authorization": {"mode": "Webhook"},
        "tlsCertFile": f"{pki}/node.crt",
        "tlsPrivateKeyFile": f"{pki}/node.key",
        "clusterDNS": [layout.DNS_ADDRESS],
        "clusterDomain": layout.CLUSTER_DOMAIN,
        "podLogsDir": str(where.pods_logs),
        "volumePluginDir": f"{where.data}/volume-plugins",
        "maxPods": layout.MAX_PODS,
        "cgroupDriver": "cgroupfs",
        "cgroupRoot": f"/{layout.CGROUP}",
        "failCgroupV1": False,
        "failSwapOn": False,
        "enforceNodeAllocatable": [],  # the machine is not the cluster's alone
        "oomScoreAdj": 0,  # lower ones need a capability that machines of CI services lack
        "makeIPTablesUtilChains": False,  # kube-proxy's nftables need none
        # Images are loaded once and can't be pulled again, and the machine's disk is not ours to judge.
        "imageGCHighThresholdPercent": 100,
        "imageGCLowThresholdPercent": 99,
        "evictionHard": {
            "memory.available": "100Mi",
            "nodefs.available": "1%",
            "nodefs.inodesFree": "1%",
            "imagefs.available": "1%",
        },
        "nodeStatusUpdateFrequency": "5s",
        "crashLoopBackOff": {"maxContainerRestartPeriod": "10s"},  # tests crash containers on purpose
    }
    return yaml.safe_dump(content, sort_keys=False)


def proxy(where: Layout) -> str:
    """Of what carries services to pods."""
    content: dict[str, Any] = {
        "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
        "kind": "KubeProxyConfiguration",
        "mode": "nftables",
        "hostnameOverride": layout.NODE,
        "clientConnection": {"kubeconfig": f"{where.config}/proxy.kubeconfig"},
        "clusterCIDR": layout.PODS,
        "healthzBindAddress": f"{layout.NODE_ADDRESS}:{layout.PROXY_HEALTH_PORT}",
        "metricsBindAddress": f"{layout.NODE_ADDRESS}:{layout.PROXY_METRICS_PORT}",
        "nodePortAddresses": [f"{layout.NODE_ADDRESS}/32"],
        "oomScoreAdj": 0,
        # The machine's connection tracking stays as it is.
        "conntrack": {
            "maxPerCore": 0,
            "min": 0,
            "tcpEstablishedTimeout": "0s",
            "tcpCloseWaitTimeout": "0s",
        },
    }
    return yaml.safe_dump(content, sort_keys=False)
