"""A namespace of the cluster: what a test puts there, asks of it and waits for."""

from __future__ import annotations

from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from lightkube.codecs import from_dict
from lightkube.core.exceptions import ApiError
from lightkube.resources.apps_v1 import Deployment
from lightkube.resources.core_v1 import Namespace as NamespaceResource
from lightkube.resources.core_v1 import Pod

from tests.cluster.forward import Forward
from tests.helpers import eventually

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.cluster.access import Cluster

LABEL = "doublegate.dev/test"
LEFT_OVER = timedelta(hours=1)
READY_SECONDS = 90.0
POLL_SECONDS = 0.25
LOG_LINES = 40
LINE_LENGTH = 240


class Namespace:
    """One namespace, under the strictest Pod Security level unless told otherwise.

    Args:
        cluster: where.
        name: of it.
        security: Pod Security level that is enforced.
    """

    def __init__(self, cluster: Cluster, name: str, *, security: str = "restricted") -> None:
        self.cluster, self.name = cluster, name
        self._client = cluster.client
        self._open = ExitStack()
        labels = {LABEL: "true", "pod-security.kubernetes.io/enforce": security}
        self._client.apply(
            from_dict({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}})
        )
        # Pods are refused until their service account is there.
        eventually(lambda: self.kubectl("get", "serviceaccount", "default", "--ignore-not-found"), 30)

    def close(self) -> None:
        """End the forwards, and let the cluster remove everything in its own time."""
        self._open.close()
        self.cluster.run("delete", "namespace", self.name, "--ignore-not-found", "--wait=false")

    def kubectl(self, *arguments: str, stdin: str = "") -> str:
        """Run kubectl here; returns what it printed."""
        return self.cluster.run(f"--namespace={self.name}", *arguments, stdin=stdin)

    def apply(self, *objects: Mapping[str, Any]) -> None:
        """Create or change objects, given as they stand in YAML."""
        for one in objects:
            self._client.apply(from_dict(dict(one)), namespace=self.name, force=True)

    def pods(self, app: str) -> list[Pod]:
        """The pods with the label `app`, without those that are on their way out."""
        found = self._client.list(Pod, namespace=self.name, labels={"app": app})
        return [pod for pod in found if pod.metadata.deletionTimestamp is None]

    def ready_pods(self, app: str) -> list[Pod]:
        """Those of them that are Ready."""
        return [pod for pod in self.pods(app) if is_ready(pod)]

    def wait_rolled_out(self, *names: str, seconds: float = READY_SECONDS) -> None:
        """Wait until Deployments run what they ask for, and nothing else."""
        waiting = list(names)

        def none_waits() -> bool:
            waiting[:] = [name for name in waiting if not self._rolled_out(name)]
            return not waiting

        try:
            eventually(none_waits, seconds, POLL_SECONDS)
        except AssertionError:
            raise AssertionError(f"not rolled out within {seconds} s: {', '.join(waiting)}") from None

    def _rolled_out(self, name: str) -> bool:
        found = self._client.get(Deployment, name, namespace=self.name)
        status, wanted = found.status, found.spec.replicas
        counts = (status.updatedReplicas or 0, status.availableReplicas or 0, status.replicas or 0)
        return status.observedGeneration == found.metadata.generation and counts == (wanted, wanted, wanted)

    def scale(self, name: str, replicas: int) -> None:
        """Set a Deployment's replicas."""
        self.kubectl("scale", f"deployment/{name}", f"--replicas={replicas}")

    def restart(self, name: str) -> None:
        """Roll a Deployment."""
        self.kubectl("rollout", "restart", f"deployment/{name}")

    def execute(self, pod: str, *command: str) -> str:
        """Run a command in a pod."""
        return self.kubectl("exec", pod, "--", *command)

    def log(self, pod: str, *, previous: bool = False) -> str:
        """The last lines of a pod's log, or of the container that it had before."""
        arguments = ["logs", pod, "--all-containers", f"--tail={LOG_LINES}"]
        return self.kubectl(*arguments, *(["--previous"] if previous else []))

    def forward(self, target: str, port: int, local: int | None = None) -> Forward:
        """A port here that leads there until the namespace is closed."""
        return self._open.enter_context(Forward(self.cluster, self.name, target, port, local))

    def describe(self, log_lines: int = LOG_LINES) -> str:
        """Pods, events and logs: what a person asks for when a test has failed."""
        tail = f"--tail={log_lines}"
        said = [self._ask("get", "pods,deployments,jobs,statefulsets", "--output=wide")]
        said += [self._ask("get", "events", "--sort-by=.lastTimestamp")]
        for pod in self._client.list(Pod, namespace=self.name):
            name = str(pod.metadata.name)
            said += [f"--- log of {name}", self._ask("logs", name, "--all-containers", tail)]
            statuses = (pod.status.containerStatuses if pod.status else None) or []
            if any(status.restartCount for status in statuses):
                said += [f"--- log of {name} before its last restart"]
                said += [self._ask("logs", name, "--all-containers", "--previous", tail)]
        return "\n".join(line[:LINE_LENGTH] for text in said for line in text.splitlines())

    def _ask(self, *arguments: str) -> str:
        try:
            return self.kubectl(*arguments)
        except (AssertionError, ApiError) as error:
            return str(error)


def is_ready(pod: Pod) -> bool:
    """Whether a pod's condition Ready is true."""
    conditions = (pod.status.conditions if pod.status else None) or []
    return any(one.type == "Ready" and one.status == "True" for one in conditions)


def remove_leftovers(cluster: Cluster) -> None:
    """Namespaces of runs that were killed; younger ones may be somebody's who tests at the same time."""
    for namespace in cluster.client.list(NamespaceResource, labels={LABEL: "true"}):
        made, going = namespace.metadata.creationTimestamp, namespace.metadata.deletionTimestamp
        if going is None and made is not None and datetime.now(tz=UTC) - made > LEFT_OVER:
            cluster.client.delete(NamespaceResource, str(namespace.metadata.name))
