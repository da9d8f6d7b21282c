"""Images in the node's store."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tools import builds
from tools.run import output

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tools.cluster.layout import Layout
    from tools.images.provide import Built

__all__ = ["load"]

LOAD_SECONDS = 300


def load(where: Layout, images: Iterable[Built]) -> list[str]:
    """Load those that the node does not have; returns the references of the new ones."""
    program, socket = str(builds.CONTAINERD.program("ctr")), str(where.containerd_socket)
    ctr = [program, "--address", socket, "--namespace", "k8s.io"]
    there = set(output(*ctr, "images", "list", "--quiet").splitlines())
    new = [image for image in images if image.reference not in there]
    for image in new:
        output(*ctr, "images", "import", "--no-unpack=false", image.archive, seconds=LOAD_SECONDS)
    return [image.reference for image in new]
