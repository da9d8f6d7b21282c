"""The cluster under test: ours on this machine, or whichever a kubeconfig leads to."""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from httpx2 import HTTPError
from lightkube import Client, KubeConfig
from lightkube.core.exceptions import ApiError
from lightkube.generic_resource import load_in_cluster_generic_resources
from lightkube.resources.core_v1 import Node

from tools import builds
from tools.cluster.record import current_layout
from tools.images.provide import references

KUBECONFIG = "DOUBLEGATE_TEST_KUBECONFIG"
IMAGES = "DOUBLEGATE_TEST_IMAGES"
FIELD_MANAGER = "doublegate-tests"
KUBECTL_SECONDS = 60.0

# Where a cluster can pull from the world. The project's own images are in no public registry.
PUBLIC = {
    "kafka": "docker.io/apache/kafka:4.3.1",
    "valkey": "docker.io/valkey/valkey:9.1",
    "registry": "docker.io/apicurio/apicurio-registry:3.3.3",
    "postgres": "docker.io/library/postgres:18",
    "jaeger": "docker.io/jaegertracing/jaeger:2.13.0",
}


class NoCluster(Exception):
    """There is none to test on; the message says why and how to get one."""


@dataclass(frozen=True)
class Cluster:
    """How to reach it.

    Attributes:
        client: of its API.
        kubeconfig: for kubectl.
        kubectl: the program.
        images: what runs in it, by the names of `tools.images.catalogue`.
    """

    client: Client
    kubeconfig: Path
    kubectl: str
    images: dict[str, str]

    def command(self, *arguments: str) -> list[str]:
        """A kubectl command on this cluster."""
        return [self.kubectl, f"--kubeconfig={self.kubeconfig}", *arguments]

    def run(self, *arguments: str, stdin: str = "", seconds: float = KUBECTL_SECONDS) -> str:
        """Run kubectl; returns what it printed."""
        done = subprocess.run(
            self.command(*arguments),
            input=stdin,
            capture_output=True,
            text=True,
            timeout=seconds,
            check=False,
        )
        assert done.returncode == 0, f"kubectl {' '.join(arguments)}: {done.stderr}{done.stdout}"
        return done.stdout


def connect() -> Cluster:
    """The cluster that the environment names, or else the one of `make cluster`.

    Raises:
        NoCluster: There is none.
    """
    chosen = os.environ.get(KUBECONFIG)
    kubeconfig = Path(chosen) if chosen else current_layout().kubeconfig
    if not kubeconfig.exists():
        raise NoCluster(
            f"{kubeconfig} does not exist: run `make cluster-test`, as root on Linux, or with KUBECONFIG=..."
        )
    images = {**(PUBLIC if chosen else references()), **_given()}
    if "consumer" not in images:
        raise NoCluster("which image is the consumer's? `make cluster-test ... IMAGES='consumer=...'`")
    kubectl = shutil.which("kubectl") if chosen else str(builds.KUBERNETES.program("kubectl"))
    if kubectl is None:
        raise NoCluster("kubectl is not on the PATH: install it")
    client = Client(KubeConfig.from_file(kubeconfig).get(), field_manager=FIELD_MANAGER, trust_env=False)
    try:
        list(client.list(Node))
        load_in_cluster_generic_resources(client)
    except (ApiError, HTTPError) as error:
        raise NoCluster(f"the cluster of {kubeconfig} does not answer: {error}") from error
    return Cluster(client, kubeconfig, kubectl, images)


def _given() -> dict[str, str]:
    words = os.environ.get(IMAGES, "").split()
    return dict(word.split("=", 1) for word in words)
