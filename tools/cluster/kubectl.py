"""kubectl, as the cluster's administrator."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tools import builds
from tools.run import output

if TYPE_CHECKING:
    from tools.cluster.layout import Layout

__all__ = ["kubectl"]

SECONDS = 60.0


def kubectl(where: Layout, *arguments: str, stdin: str | None = None, seconds: float = SECONDS) -> str:
    """Run it; returns what it printed.

    Raises:
        ProgramFailed: It ended with an error.
    """
    env = {"KUBECONFIG": str(where.kubeconfig), "KUBECACHEDIR": str(where.data / "kubectl")}
    program = builds.KUBERNETES.program("kubectl")
    return output(program, *arguments, stdin=stdin, env=env, cwd=where.home, seconds=seconds)
