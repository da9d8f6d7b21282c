"""Kubernetes' objects as plain data: restricted, with limits, probes and labels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from infra.sections import Storage

__all__ = [
    "Object",
    "Server",
    "config_map",
    "deployment",
    "disruption_budget",
    "http",
    "labels",
    "mebibytes",
    "network_policy",
    "secret",
    "secret_volume",
    "selector",
    "service",
    "stateful_set",
    "tcp",
]

Object = dict[str, Any]
DATA = "data"
_UNITS = {"Mi": 1, "Gi": 1024, "Ti": 1024 * 1024}


def selector(name: str) -> Object:
    """Labels that the pods of one part alone have; they never change."""
    return {"app.kubernetes.io/name": name, "app.kubernetes.io/part-of": "doublegate-platform"}


def labels(name: str) -> Object:
    """Labels of every object of a part."""
    return {**selector(name), "app.kubernetes.io/managed-by": "pulumi"}


@dataclass(frozen=True)
class Server:
    """A server in pods of one container.

    Attributes:
        name: of the part.
        image: what runs.
        user: its number in the image; also the group of its volumes.
        memory: request and limit; there is no limit of CPU, which would only stall.
        ports: by name.
        ready: the probe that lets clients in.
        data: where the volume is mounted.
        storage: the volume; scratch space when absent.
        scratch: paths that the server writes to, by volume name.
        files: paths of what is read only, by volume name.
        volumes: the volumes of `files`.
        annotations: of the pods.
    """

    name: str
    image: str
    user: int
    memory: str
    ports: Mapping[str, int]
    ready: Object
    command: Sequence[str] = ()
    args: Sequence[str] = ()
    env: Sequence[Object] = ()
    replicas: int = 1
    data: str | None = None
    storage: Storage | None = None
    scratch: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[str, str] = field(default_factory=dict)
    volumes: Sequence[Object] = ()
    annotations: Mapping[str, Any] = field(default_factory=dict)
    grace_seconds: int = 60

    @property
    def _alive(self) -> Object:
        return tcp(next(iter(self.ports)))

    def _container(self) -> Object:
        mounts: list[Object] = [{"name": name, "mountPath": path} for name, path in self.scratch.items()]
        mounts += [{"name": name, "mountPath": path, "readOnly": True} for name, path in self.files.items()]
        if self.data is not None:
            mounts.append({"name": DATA, "mountPath": self.data})
        made: Object = {
            "name": self.name,
            "image": self.image,
            "imagePullPolicy": "IfNotPresent",
            "ports": [{"name": name, "containerPort": port} for name, port in self.ports.items()],
            "startupProbe": {**self._alive, "periodSeconds": 2, "failureThreshold": 90},
            "livenessProbe": {**self._alive, "periodSeconds": 10, "timeoutSeconds": 5, "failureThreshold": 6},
            "readinessProbe": {**self.ready, "periodSeconds": 5, "timeoutSeconds": 5},
            "resources": {
                "requests": {"cpu": "100m", "memory": self.memory},
                "limits": {"memory": self.memory},
            },
            "securityContext": {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            },
            "volumeMounts": mounts,
        }
        return made | {
            key: list(given) for key, given in _given(command=self.command, args=self.args, env=self.env)
        }

    def template(self) -> Object:
        """The pods."""
        volumes = [*self.volumes, *({"name": name, "emptyDir": {}} for name in self.scratch)]
        if self.data is not None and self.storage is None:
            volumes.append({"name": DATA, "emptyDir": {}})
        metadata: Object = {"labels": labels(self.name)}
        if self.annotations:
            metadata["annotations"] = dict(self.annotations)
        return {
            "metadata": metadata,
            "spec": pod([self._container()], volumes, self.user, self.grace_seconds),
        }


def pod(containers: list[Object], volumes: list[Object], user: int, grace_seconds: int = 30) -> Object:
    """A restricted pod that knows nothing of the API server."""
    return {
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,  # KAFKA_PORT and its like would be taken for settings
        "terminationGracePeriodSeconds": grace_seconds,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": user,
            "runAsGroup": user,
            "fsGroup": user,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "containers": containers,
        "volumes": volumes,
    }


def stateful_set(server: Server, governing: str) -> Object:
    """Pods with names and volumes of their own; volumes stay when it goes."""
    spec: Object = {
        "replicas": server.replicas,
        "serviceName": governing,
        "podManagementPolicy": "Parallel",
        "selector": {"matchLabels": selector(server.name)},
        "template": server.template(),
    }
    if server.storage is not None:
        claim: Object = {
            "accessModes": ["ReadWriteOnce"],
            "resources": {"requests": {"storage": server.storage.size}},
        }
        if server.storage.class_name is not None:
            claim["storageClassName"] = server.storage.class_name
        spec["volumeClaimTemplates"] = [{"metadata": {"name": DATA}, "spec": claim}]
    return _object("apps/v1", "StatefulSet", server.name, spec=spec)


def deployment(server: Server) -> Object:
    """Pods that are all the same."""
    spec = {
        "replicas": server.replicas,
        "selector": {"matchLabels": selector(server.name)},
        "strategy": {"rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}},
        "template": server.template(),
    }
    return _object("apps/v1", "Deployment", server.name, spec=spec)


def service(
    name: str, ports: Mapping[str, int], *, part: str | None = None, headless: bool = False
) -> Object:
    """An address of a part's pods; a headless one names each of them, ready or not."""
    spec: Object = {
        "selector": selector(part or name),
        "ports": [{"name": key, "port": port, "targetPort": key} for key, port in ports.items()],
    }
    if headless:
        spec |= {"clusterIP": "None", "publishNotReadyAddresses": True}
    made = _object("v1", "Service", name, part=part, spec=spec)
    if headless:  # its pods wait for it, so Pulumi's provider must not wait for its pods
        made["metadata"]["annotations"] = {"pulumi.com/skipAwait": "true"}
    return made


def disruption_budget(name: str) -> Object:
    """One pod at a time may be moved."""
    spec = {"maxUnavailable": 1, "selector": {"matchLabels": selector(name)}}
    return _object("policy/v1", "PodDisruptionBudget", name, spec=spec)


def network_policy(
    name: str,
    ports: Sequence[str],
    *,
    namespaces: Sequence[str] = (),
    among: Sequence[str] = (),
    peers: Sequence[str] = (),
) -> Object:
    """Lets pods of this and other `namespaces` in to `ports`, and pods of the parts `peers` to `among`."""
    name_of = "kubernetes.io/metadata.name"
    others = [{"namespaceSelector": {"matchLabels": {name_of: other}}} for other in namespaces]
    ingress: list[Object] = [
        {"ports": [{"port": port} for port in ports], "from": [{"podSelector": {}}, *others]}
    ]
    if among:
        allowed = [{"podSelector": {"matchLabels": selector(peer)}} for peer in peers]
        ingress.append({"ports": [{"port": port} for port in among], "from": allowed})
    spec = {
        "podSelector": {"matchLabels": selector(name)},
        "policyTypes": ["Ingress"],
        "ingress": ingress,
    }
    return _object("networking.k8s.io/v1", "NetworkPolicy", name, spec=spec)


def config_map(name: str, data: Mapping[str, str], *, part: str | None = None) -> Object:
    """Files that are no secrets."""
    return _object("v1", "ConfigMap", name, part=part, data=dict(data))


def secret(name: str, data: Mapping[str, Any], *, part: str | None = None) -> Object:
    """Files that are; each value is one of Pulumi's secrets."""
    return _object("v1", "Secret", name, part=part, stringData=dict(data))


def secret_volume(name: str, secret_name: str) -> Object:
    """A Secret's keys as files for the pod's user alone."""
    return {"name": name, "secret": {"secretName": secret_name, "defaultMode": 0o440}}


def tcp(port: str) -> Object:
    """A probe that connects."""
    return {"tcpSocket": {"port": port}}


def http(path: str, port: str) -> Object:
    """A probe that asks."""
    return {"httpGet": {"path": path, "port": port}}


def mebibytes(size: str) -> int:
    """Of a size such as 4Gi."""
    return int(size[:-2]) * _UNITS[size[-2:]]


def _given(**fields: Sequence[Any]) -> list[tuple[str, Sequence[Any]]]:
    """Without empty lists: the API server drops them, and a refresh would take that for a change."""
    return [(name, value) for name, value in fields.items() if value]


def _object(api_version: str, kind: str, name: str, *, part: str | None = None, **content: Any) -> Object:
    metadata = {"name": name, "labels": labels(part or name)}
    return {"apiVersion": api_version, "kind": kind, "metadata": metadata, **content}
