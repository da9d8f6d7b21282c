"""Consumers as the operator runs them: its charts, a resource, and what kubectl says of it."""

from __future__ import annotations

import json
import subprocess
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.cluster import manifests as m
from tests.cluster.consumers import addresses, handlers_code
from tests.consumers import Group, merged
from tests.helpers import eventually
from tools import builds

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.cluster.namespace import Namespace
    from tests.cluster.platform import Platform

CHARTS = Path(__file__).parents[2] / "charts"
CODE = "handlers"
RELEASE = "operator"
OPERATOR = f"{RELEASE}-doublegate-operator"
HELM_SECONDS = 180.0
READY_SECONDS = 150.0
OURS = "configmaps,deployments,services,poddisruptionbudgets,networkpolicies,scaledobjects.keda.sh"


def install_crds(namespace: Namespace) -> None:
    """The resource's definitions, as `helm template | kubectl apply --server-side` does it."""
    rendered = _helm(namespace, "template", "crds", str(CHARTS / "doublegate-crds"))
    namespace.cluster.run("apply", "--server-side", "--force-conflicts", "--filename=-", stdin=rendered)
    names = [f"crd/{kind}.doublegate.dev" for kind in ("idempotentconsumers", "deadletterreplays")]
    namespace.cluster.run("wait", "--for=condition=Established", "--timeout=30s", *names)


def install_operator(namespace: Namespace, replicas: int = 1) -> None:
    """`helm install` of the operator, for its own namespace."""
    repository, _, tag = namespace.cluster.images["operator"].rpartition(":")
    values = {
        "image": {"repository": repository, "tag": tag},
        "consumers": {"image": namespace.cluster.images["consumer"]},
        "crds": {"enabled": False},
        "replicas": replicas,
        "resources": {"requests": {"cpu": "100m", "memory": "192Mi"}, "limits": {"memory": "384Mi"}},
    }
    chart = str(CHARTS / "doublegate-operator")
    _helm(namespace, "upgrade", "--install", RELEASE, chart, "--values=-", stdin=json.dumps(values))
    namespace.wait_rolled_out(OPERATOR, seconds=HELM_SECONDS)


class Operated:
    """An IdempotentConsumer on a topic of its own.

    Args:
        namespace: where the operator looks after it.
        platform: the servers.
        folder: for the group's files.
        handler: of `in_pods/handlers.py`.
        env: of the pods.
        spec: sections of the resource on top of the usual ones.
    """

    def __init__(
        self,
        namespace: Namespace,
        platform: Platform,
        folder: Path,
        *,
        handler: str = "mail",
        env: Mapping[str, str] | None = None,
        name: str = "",
        **spec: Any,
    ) -> None:
        self.name = name or f"c-{uuid.uuid4().hex[:6]}"
        self._namespace = namespace
        self.group = Group(platform.outside, f"t-{uuid.uuid4().hex[:10]}", folder)
        # A session that outlives a graceful end on a busy machine, and no handler that times out there.
        usual = {
            "image": namespace.cluster.images["consumer"],
            "handler": {"timeout": "20s"},
            "kafka": {"partitions": 4},
            "ledger": {"session": "6s"},
            "scaling": {"minReplicas": 1, "maxReplicas": 1},
            "pod": {
                "env": [{"name": key, "value": value} for key, value in (env or {}).items()],
                "resources": {
                    "requests": {"cpu": "100m", "memory": "320Mi"},
                    "limits": {"memory": "320Mi"},
                },
                "volumes": [{"name": "code", "configMap": {"name": CODE}}],
                "volumeMounts": [{"name": "code", "mountPath": "/app"}],
            },
        }
        resource = self.group.resource(
            f"handlers:{handler}", **merged(merged(usual, addresses(platform.inside)), spec)
        )
        self.resource: m.Object = {**resource, "metadata": {"name": self.name}}
        namespace.apply(m.config_map(CODE, handlers_code()))
        self.apply()

    def apply(self, **spec: Any) -> None:
        """`kubectl apply` of the resource, with these sections changed."""
        self.resource["spec"] = merged(self.resource["spec"], spec)
        self._namespace.kubectl("apply", "--filename=-", stdin=json.dumps(self.resource))

    def get(self) -> m.Object:
        """The resource as the API server has it."""
        found: m.Object = json.loads(self._namespace.kubectl("get", "idc", self.name, "--output=json"))
        return found

    @property
    def status(self) -> m.Object:
        """Its status; empty before the operator saw it."""
        return dict(self.get().get("status", {}))

    def condition(self, kind: str) -> tuple[str, str, str]:
        """Status, reason and message of a condition of the present generation; empty when it is not there."""
        resource = self.get()
        for one in resource.get("status", {}).get("conditions", []):
            if one["type"] == kind and one["observedGeneration"] == resource["metadata"]["generation"]:
                return one["status"], one["reason"], one["message"]
        return "", "", ""

    def wait(self, kind: str = "Ready", status: str = "True", seconds: float = READY_SECONDS) -> None:
        """Wait for a condition of the present generation."""
        try:
            eventually(lambda: self.condition(kind)[0] == status, seconds, 0.5)
        except AssertionError:
            conditions = json.dumps(self.status, indent=1)
            raise AssertionError(f"{kind} is not {status} within {seconds:.0f} s: {conditions}") from None

    def replicas(self) -> int:
        """What the Deployment asks for."""
        told = self._namespace.kubectl("get", "deployment", self.name, "--output=jsonpath={.spec.replicas}")
        return int(told or 0)

    def owned(self) -> list[str]:
        """Objects that the operator made for it."""
        label = f"--selector=app.kubernetes.io/instance={self.name}"
        return self._namespace.kubectl("get", OURS, label, "--output=name").split()

    def pods(self) -> list[str]:
        """Its pods."""
        label = f"--selector=app.kubernetes.io/instance={self.name}"
        return self._namespace.kubectl("get", "pods", label, "--output=name").split()


def _helm(namespace: Namespace, *arguments: str, stdin: str = "") -> str:
    command = [str(builds.HELM.program("helm")), f"--kubeconfig={namespace.cluster.kubeconfig}"]
    done = subprocess.run(
        [*command, f"--namespace={namespace.name}", *arguments],
        input=stdin,
        capture_output=True,
        text=True,
        timeout=HELM_SECONDS,
        check=False,
    )
    assert done.returncode == 0, f"helm {' '.join(arguments)}: {done.stderr}{done.stdout}"
    return done.stdout
