"""Waits until the node takes pods and both addons answer for real."""

from __future__ import annotations

import json
import socket
import struct
import time
from typing import TYPE_CHECKING

from tools.cluster import layout
from tools.cluster.errors import ClusterError
from tools.cluster.kubectl import kubectl
from tools.run import ProgramFailed

if TYPE_CHECKING:
    from collections.abc import Callable

    from doublegate.local.servers.base import Progress
    from tools.cluster.layout import Layout

__all__ = ["resolve", "wait_until_answering"]

SECONDS = 120.0
POLL_SECONDS = 0.2
ASK_SECONDS = 5.0
API_NAME = f"kubernetes.default.svc.{layout.CLUSTER_DOMAIN}"
LAST_LINES = 5
EVENT_COLUMNS = (
    "--output=custom-columns=LAST:.lastTimestamp,OF:.involvedObject.name,REASON:.reason,TEXT:.message"
)
TYPE_A, CLASS_IN, RECURSE = 1, 1, 0x0100


def wait_until_answering(where: Layout, on_progress: Progress) -> None:
    """Return when a node is Ready, a service's name resolves and KEDA's metrics are served.

    Raises:
        ClusterError: Naming what does not answer, how its pods are, and where their logs are.
    """
    deadline = time.monotonic() + SECONDS
    steps: dict[str, tuple[str, Callable[[], None]]] = {
        "the node": ("", lambda: _node_ready(where)),
        "CoreDNS": ("kube-system", _names_resolve),
        "KEDA": ("keda", lambda: _metrics_served(where)),
    }
    for name, (namespace, check) in steps.items():
        while (failure := _failure(check)) is not None:
            if time.monotonic() > deadline:
                raise ClusterError(
                    f"{name} did not answer within {SECONDS:.0f} s: {failure}\n{_scene(where, namespace)}"
                )
            time.sleep(POLL_SECONDS)
        on_progress(f"{name} is ready")


def resolve(name: str, server: str) -> str:
    """Ask a DNS server for a name's address, past this machine's own resolver.

    Raises:
        OSError: No answer.
        LookupError: The answer has no address.
    """
    labels = b"".join(bytes([len(label)]) + label.encode() for label in name.split("."))
    query = struct.pack(">6H", 1, RECURSE, 1, 0, 0, 0) + labels + b"\0" + struct.pack(">2H", TYPE_A, CLASS_IN)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        asking.settimeout(ASK_SECONDS)
        asking.connect((server, 53))
        asking.send(query)
        answer = asking.recv(512)
    answers = struct.unpack(">H", answer[6:8])[0]
    if answers != 1:
        raise LookupError(f"{server} has {answers} addresses of {name}")
    return socket.inet_ntoa(answer[-4:])  # the one record ends with its address


def _node_ready(where: Layout) -> None:
    node = json.loads(kubectl(where, "get", "node", layout.NODE, "--output=json"))
    conditions = {one["type"]: one for one in node["status"].get("conditions", [])}
    ready = conditions.get("Ready", {"status": "Unknown", "message": "kubelet has said nothing yet"})
    if ready["status"] != "True":
        raise ClusterError(ready["message"])


def _names_resolve() -> None:
    found = resolve(API_NAME, layout.DNS_ADDRESS)
    if found != layout.API_SERVICE_ADDRESS:
        raise ClusterError(f"{API_NAME} is {found}")


def _metrics_served(where: Layout) -> None:
    kubectl(where, "get", "--raw", "/apis/external.metrics.k8s.io/v1beta1")
    state = kubectl(
        where,
        "--namespace=keda",
        "get",
        "deploy",
        "keda-operator",
        "--output=jsonpath={.status.readyReplicas}",
    )
    if state != "1":
        raise ClusterError("its operator is not ready")


def _failure(check: Callable[[], None]) -> str | None:
    try:
        check()
    except (ClusterError, ProgramFailed, LookupError, OSError) as error:
        return str(error) or repr(error)
    return None


def _scene(where: Layout, namespace: str) -> str:
    """What a person looks at first."""
    said = [f"the parts' logs are in {where.logs}, the containers' in {where.pods_logs}"]
    if namespace:
        for what in (("pods",), ("events", "--field-selector=type=Warning", EVENT_COLUMNS)):
            try:
                said += kubectl(where, "get", *what, f"--namespace={namespace}").splitlines()[-LAST_LINES:]
            except ProgramFailed as error:
                said.append(str(error))
    return "\n".join(said)
