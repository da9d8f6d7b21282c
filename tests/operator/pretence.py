"""Stands in for nodes and controllers: says that workloads run, and lets namespaces go."""

from __future__ import annotations

import json
import threading
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from tests.operator.api_server import ApiServer

_PERIOD = 0.5
_WORKLOADS, _CONSUMERS = "deployments,statefulsets", "idempotentconsumers.doublegate.dev"
_TIME = "2026-01-01T00:00:00Z"


class Pretence:
    """A thread for one namespace; a context manager.

    Attributes:
        ready: whether consumers are told to be Ready.
    """

    def __init__(self, server: ApiServer, namespace: str) -> None:
        self._server, self._namespace = server, namespace
        self.ready = True
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._ended.wait(_PERIOD):
            try:
                self._step()
            except AssertionError:  # the definitions are not served yet, or an object has just gone
                continue

    def _step(self) -> None:
        kubectl, own = self._server.kubectl, f"--namespace={self._namespace}"
        found = kubectl("get", "namespace", self._namespace, "--ignore-not-found", "--output=json")
        if not found.strip():
            return
        namespace = json.loads(found)
        if namespace["status"]["phase"] == "Terminating":
            namespace["spec"]["finalizers"] = []
            path = f"/api/v1/namespaces/{self._namespace}/finalize"
            kubectl("replace", f"--raw={path}", "--filename=-", stdin=json.dumps(namespace))
            return
        served = _CONSUMERS in kubectl("api-resources", "--output=name")
        kinds = f"{_WORKLOADS},{_CONSUMERS}" if served else _WORKLOADS
        for one in json.loads(kubectl("get", kinds, own, "--output=json"))["items"]:
            status = self._status(one)
            if any(one.get("status", {}).get(name) != value for name, value in status.items()):
                name = f"{one['kind'].lower()}/{one['metadata']['name']}"
                patch = json.dumps({"status": status})
                kubectl("patch", own, name, "--subresource=status", "--type=merge", f"--patch={patch}")

    def _status(self, one: dict[str, Any]) -> dict[str, Any]:
        generation = one["metadata"]["generation"]
        if one["kind"] == "IdempotentConsumer":
            condition = {
                "type": "Ready",
                "status": "True" if self.ready else "False",
                "reason": "Ready" if self.ready else "KafkaUnavailable",
                "message": "all is well" if self.ready else "no broker answers",
                "lastTransitionTime": _TIME,
                "observedGeneration": generation,
            }
            return {"observedGeneration": generation, "conditions": [condition]}
        pods = one["spec"]["replicas"]
        counts = dict.fromkeys(("replicas", "readyReplicas", "updatedReplicas", "availableReplicas"), pods)
        revisions = {"currentRevision": "r1", "updateRevision": "r1"}
        return {
            "observedGeneration": generation,
            **counts,
            **(revisions if one["kind"] == "StatefulSet" else {}),
        }
