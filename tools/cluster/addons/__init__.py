"""What runs in the cluster from its start: CoreDNS and KEDA."""

from tools.cluster.addons.install import install_coredns, install_keda
from tools.cluster.addons.wait import wait_until_answering

__all__ = ["install_coredns", "install_keda", "wait_until_answering"]
