"""The programs that are built from pinned Go modules, and the one way to have them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from doublegate.local.cache import cache_dir, exclusive, require_free
from doublegate.local.servers.go_build import GoBuild

if TYPE_CHECKING:
    from doublegate.local.servers.base import Progress

__all__ = [
    "CHARTS",
    "CLUSTER",
    "CNI",
    "CONTAINERD",
    "COREDNS",
    "ETCD",
    "HELM",
    "KEDA",
    "KUBECONFORM",
    "KUBERNETES",
    "PROMTOOL",
    "PULUMI",
    "provide",
]

MODULES = Path(__file__).with_name("go")
STRIP = "-s -w"
GIB = 1 << 30

KUBERNETES_RELEASE = "v1.35.4"
KUBERNETES_PROGRAMS = (
    "kube-apiserver",
    "kube-controller-manager",
    "kube-proxy",
    "kube-scheduler",
    "kubectl",
    "kubelet",
)


def _kubernetes_version() -> str:
    """Without these values kubelet and API server call themselves v0.0.0 and refuse each other."""
    major, minor, _ = KUBERNETES_RELEASE.removeprefix("v").split(".")
    values = {
        "gitVersion": KUBERNETES_RELEASE,
        "gitMajor": major,
        "gitMinor": minor,
        "gitTreeState": "clean",
        "gitCommit": "none",
        "buildDate": "1970-01-01T00:00:00Z",
    }
    packages = ("k8s.io/component-base/version", "k8s.io/client-go/pkg/version")
    return " ".join(f"-X {package}.{name}={value}" for package in packages for name, value in values.items())


KUBERNETES = GoBuild(
    name="Kubernetes",
    module=MODULES / "kubernetes",
    programs={name: f"k8s.io/kubernetes/cmd/{name}" for name in KUBERNETES_PROGRAMS},
    release=KUBERNETES_RELEASE,
    linker_flags=f"{STRIP} {_kubernetes_version()}",
    about_lines=2_900,
    disk_needed=5 * GIB,
)
ETCD = GoBuild(
    name="etcd",
    module=MODULES / "etcd",
    programs={"etcd": "go.etcd.io/etcd/server/v3"},
    release="v3.6.16",
    linker_flags=STRIP,
    about_lines=650,
    disk_needed=GIB,
)
CONTAINERD = GoBuild(
    name="containerd",
    module=MODULES / "containerd",
    programs={
        name: f"github.com/containerd/containerd/v2/cmd/{name}"
        for name in ("containerd", "containerd-shim-runc-v2", "ctr")
    },
    release="v2.4.2",
    linker_flags=f"{STRIP} -X github.com/containerd/containerd/v2/version.Version=v2.4.2",
    about_lines=1_200,
    disk_needed=2 * GIB,
)
CNI = GoBuild(
    name="cni",
    module=MODULES / "cni",
    programs={
        name: f"github.com/containernetworking/plugins/plugins/{kind}/{name}"
        for kind, name in (("main", "bridge"), ("ipam", "host-local"))
    },
    release="v1.9.1",
    linker_flags=STRIP,
    about_lines=170,
    disk_needed=GIB,
)
COREDNS = GoBuild(
    name="CoreDNS",
    module=MODULES / "coredns",
    programs={"coredns": "github.com/coredns/coredns"},
    release="v1.15.0",
    linker_flags=STRIP,
    about_lines=1_650,
    disk_needed=3 * GIB,
)
KEDA = GoBuild(
    name="KEDA",
    module=MODULES / "keda",
    programs={
        "keda": "github.com/kedacore/keda/v2/cmd/operator",
        "keda-adapter": "github.com/kedacore/keda/v2/cmd/adapter",
    },
    release="v2.21.0",
    linker_flags=f"{STRIP} -X github.com/kedacore/keda/v2/version.Version=2.21.0",
    about_lines=4_050,
    disk_needed=8 * GIB,
    sources={"config": ("github.com/kedacore/keda/v2", "config")},
)
PULUMI = GoBuild(
    name="Pulumi",
    module=MODULES / "pulumi",
    programs={"pulumi": "github.com/pulumi/pulumi/pkg/v3/cmd/pulumi"},
    release="v3.259.0",
    linker_flags=f"{STRIP} -X github.com/pulumi/pulumi/sdk/v3/go/common/version.Version=v3.259.0",
    about_lines=1_900,
    disk_needed=4 * GIB,
    tags="osusergo,grpcnotrace",
)
HELM = GoBuild(
    name="Helm",
    module=MODULES / "helm",
    programs={"helm": "helm.sh/helm/v4/cmd/helm"},
    release="v4.3.1",
    linker_flags=f"{STRIP} -X helm.sh/helm/v4/internal/version.version=v4.3.1",
    about_lines=1_300,
    disk_needed=3 * GIB,
)
KUBECONFORM = GoBuild(
    name="kubeconform",
    module=MODULES / "kubeconform",
    programs={"kubeconform": "github.com/yannh/kubeconform/cmd/kubeconform"},
    release="v0.8.0",
    linker_flags=STRIP,
    about_lines=215,
    disk_needed=GIB,
)
PROMTOOL = GoBuild(
    name="promtool",
    module=MODULES / "promtool",
    programs={"promtool": "github.com/prometheus/prometheus/cmd/promtool"},
    release="v0.316.0",
    linker_flags=f"{STRIP} -X github.com/prometheus/common/version.Version=v0.316.0",
    about_lines=1_200,
    disk_needed=4 * GIB,
    tags="remove_all_sd",  # service discovery, for which rules have no use, is most of what it would take
)
CLUSTER = (CNI, ETCD, CONTAINERD, COREDNS, KUBERNETES, KEDA, PULUMI)
"""Short builds first: a missing toolchain or network shows at once."""
CHARTS = (KUBECONFORM, HELM, PROMTOOL)
"""What tests of the charts take."""


def provide(build: GoBuild, on_progress: Progress) -> None:
    """Build what is not in the cache yet; other processes may ask for the same at the same time.

    Raises:
        LocalStackError: Any of its kinds: no room, no toolchain, it does not compile.
    """

    def on_wait() -> None:
        on_progress(f"waiting for another process that builds {build.name}")

    with exclusive(cache_dir() / f"{build.name.lower()}.lock", on_wait):
        if not build.built:
            require_free(cache_dir(), build.disk_needed)
            build.build(on_progress)
