"""Consumers in pods, the far side that keeps what they did, and ways to hurt them."""

from __future__ import annotations

import json
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.request import urlopen

from confluent_kafka.cimpl import NewTopic

from tests.cluster import manifests as m
from tests.consumers import Group, merged
from tests.helpers import eventually

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lightkube.resources.core_v1 import Pod

    from doublegate.local.model import Endpoints
    from tests.cluster.forward import Forward
    from tests.cluster.manifests import Object
    from tests.cluster.namespace import Namespace
    from tests.cluster.platform import Platform

IN_PODS = Path(__file__).with_name("in_pods")
PORT = 8080
SECONDS = 30
GRACE_SECONDS = 60
"""More than an orderly end takes: half a minute for effects to end, then what is left is handed over."""

# Among the node's processes the first one of a container: its name is in the control groups' paths.
KILL = """
import os, pathlib, signal, sys

def groups(process):
    try:
        return (process / "cgroup").read_text()
    except OSError:
        return ""

processes = [path for path in pathlib.Path("/proc").iterdir() if path.name.isdigit()]
os.kill(min(int(path.name) for path in processes if sys.argv[1] in groups(path)), signal.SIGKILL)
"""


class FarSide:
    """The external API, in a pod of its own."""

    def __init__(self, namespace: Namespace) -> None:
        server = m.container(
            "far-side",
            namespace.cluster.images["consumer"],
            memory="128Mi",
            command=["python3", "/app/far_side.py"],
            ready=m.http_get("/summary", PORT),
            volumes={"code": "/app", "tmp": "/tmp"},
        )
        code = {"name": "code", "configMap": {"name": "far-side"}}
        namespace.apply(
            m.config_map("far-side", {"far_side.py": (IN_PODS / "far_side.py").read_text()}),
            m.deployment("far-side", server, volumes=[code]),
            m.service("far-side", PORT),
        )
        self._namespace = namespace
        self._forward: Forward | None = None
        self.inside = f"http://far-side:{PORT}"
        self.anywhere = f"http://far-side.{namespace.name}.svc:{PORT}"

    @property
    def url(self) -> str:
        """Where the test reaches it; waits until it serves."""
        if self._forward is None:
            self._namespace.wait_rolled_out("far-side")
            self._forward = self._namespace.forward("svc/far-side", PORT)
        return self._forward.url

    def performed(self, what: str = "mail") -> dict[str, int]:
        """How often each event's effect happened."""
        with urlopen(f"{self.url}/effects", timeout=SECONDS) as answer:
            return dict(json.load(answer)["performed"][what])


class PodConsumer:
    """A consumer group on a topic of its own, whose members are pods of one Deployment.

    Args:
        namespace: where the pods are.
        platform: the servers.
        folder: for the group's files.
        spec: sections of the resource on top of the usual ones.
        handler: of `in_pods/handlers.py`.
        env: of the pods.
        memory: limit of a pod.
    """

    def __init__(
        self,
        namespace: Namespace,
        platform: Platform,
        folder: Path,
        *,
        handler: str = "mail",
        env: Mapping[str, str] | None = None,
        replicas: int = 1,
        memory: str = "256Mi",
        partitions: int = 6,
        **spec: Any,
    ) -> None:
        self.name = "consumer"
        self._namespace = namespace
        self.group = Group(platform.outside, f"t-{uuid.uuid4().hex[:10]}", folder)
        topic = NewTopic(self.group.topic, num_partitions=partitions, replication_factor=1)
        self.group.admin.create_topics([topic])[self.group.topic].result(SECONDS)
        # A session that outlives a graceful end on a busy machine, and no handler that times out there.
        calm = {"ledger": {"session": "6s"}, "handler": {"timeout": "20s"}}
        resource = self.group.resource(
            f"handlers:{handler}", **merged(merged(calm, addresses(platform.inside)), spec)
        )
        self.objects = consumer_objects(
            self.name,
            namespace.cluster.images["consumer"],
            resource,
            handlers_code(),
            env=env or {},
            replicas=replicas,
            memory=memory,
        )
        namespace.apply(*self.objects)

    def status(self, pod: Pod, path: str = "/status") -> Any:
        """What a pod says of itself."""
        return json.loads(self.ask(pod, path)[1])

    def ask(self, pod: Pod, path: str) -> tuple[int, str]:
        """A pod's answer: code and body; from inside of it, so that an unready pod answers, too."""
        program = (
            "import sys, urllib.request as u, urllib.error as e\n"
            "try: a = u.urlopen(sys.argv[1], timeout=10)\n"
            "except e.HTTPError as error: a = error\n"
            "print(a.status); print(a.read().decode())"
        )
        name = str(pod.metadata.name)
        said = self._namespace.execute(name, "python3", "-c", program, f"http://127.0.0.1:{PORT}{path}")
        code, _, body = said.partition("\n")
        return int(code), body

    def unknown_outcomes(self) -> int:
        """Outcomes that the living pods could not know."""
        return sum(
            sum(self.status(pod)["unknownOutcomes"].values()) for pod in self._namespace.pods(self.name)
        )

    def wait_ready(self, seconds: float = 90.0) -> list[Pod]:
        """Wait until every wanted pod is Ready; returns them."""
        self._namespace.wait_rolled_out(self.name, seconds=seconds)
        return self._namespace.pods(self.name)


def handlers_code() -> dict[str, str]:
    """The file that the handlers of these tests are in."""
    return {"handlers.py": (IN_PODS / "handlers.py").read_text()}


def addresses(endpoints: Endpoints) -> Object:
    """The sections of a resource that say where the servers are."""
    return {
        "kafka": {"bootstrapServers": endpoints.bootstrap_servers},
        "ledger": {"url": endpoints.redis_url},
    }


def consumer_objects(
    name: str,
    image: str,
    resource: Mapping[str, Any],
    code: Mapping[str, str],
    *,
    env: Mapping[str, str],
    secrets: Mapping[str, Mapping[str, str]] | None = None,
    replicas: int = 1,
    memory: str = "256Mi",
) -> list[Object]:
    """A consumer as a Deployment: its resource, its handlers' code, its secrets, and its probes."""
    secrets = secrets or {}
    one = m.container(
        "consumer",
        image,
        memory=memory,
        env=env,
        ready=m.http_get("/readyz", PORT, timeoutSeconds=5, failureThreshold=1),
        volumes={"code": "/app", **{f"secret-{ref}": f"/etc/doublegate/secrets/{ref}" for ref in secrets}},
        livenessProbe=m.http_get(
            "/livez", PORT, initialDelaySeconds=10, timeoutSeconds=5, failureThreshold=10
        ),
        ports=[{"name": "http", "containerPort": PORT}],
    )
    one["volumeMounts"].append(
        {"name": "resource", "mountPath": "/etc/doublegate/consumer.yaml", "subPath": "consumer.yaml"}
    )
    volumes = [
        {
            "name": "resource",
            "configMap": {"name": name, "items": [{"key": "consumer.yaml", "path": "consumer.yaml"}]},
        },
        {"name": "code", "configMap": {"name": f"{name}-code"}},
        *({"name": f"secret-{ref}", "secret": {"secretName": f"{name}-{ref}"}} for ref in secrets),
    ]
    return [
        m.config_map(name, {"consumer.yaml": m.as_yaml(resource)}),
        m.config_map(f"{name}-code", code),
        *(m.secret(f"{name}-{ref}", keys) for ref, keys in secrets.items()),
        m.deployment(
            name,
            one,
            replicas=replicas,
            volumes=volumes,
            strategy={"rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}},
            terminationGracePeriodSeconds=GRACE_SECONDS,
        ),
    ]


class Killer:
    """Sends SIGKILL to a pod's first process, as the node's kernel would.

    It is a privileged pod that sees the node's processes, so that it works on any cluster.

    Args:
        namespace: one that admits it.
        victim: the pod.
    """

    def __init__(self, namespace: Namespace, victim: Pod) -> None:
        self._namespace = namespace
        self._container = str((victim.status.containerStatuses or [])[0].containerID).rpartition("/")[2]
        self._name = f"killer-{uuid.uuid4().hex[:6]}"
        one = m.container(
            "killer",
            namespace.cluster.images["consumer"],
            memory="64Mi",
            command=["python3", "-c", "import signal; signal.pause()"],
        )
        one["securityContext"] = {"privileged": True, "runAsUser": 0}
        spec = {
            "hostPID": True,
            "nodeName": victim.spec.nodeName,
            "terminationGracePeriodSeconds": 0,
            "automountServiceAccountToken": False,
            "containers": [one],
        }
        namespace.apply({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": self._name}, "spec": spec})
        eventually(lambda: _phase(namespace, self._name) == "Running", SECONDS)

    def kill(self) -> None:
        """Do it."""
        self._namespace.execute(self._name, "python3", "-c", KILL, self._container)


def _phase(namespace: Namespace, pod: str) -> str:
    return namespace.kubectl("get", "pod", pod, "--output=jsonpath={.status.phase}")
