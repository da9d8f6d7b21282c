"""Objects as they stand in YAML: small, restricted, with limits."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

Object = dict[str, Any]

RESTRICTED: Object = {
    "runAsNonRoot": True,
    "readOnlyRootFilesystem": True,
    "allowPrivilegeEscalation": False,
    "capabilities": {"drop": ["ALL"]},
    "seccompProfile": {"type": "RuntimeDefault"},
}


def container(
    name: str,
    image: str,
    *,
    memory: str,
    command: Sequence[str] | None = None,
    args: Sequence[str] | None = None,
    env: Mapping[str, str] | None = None,
    ready: Mapping[str, Any] | None = None,
    volumes: Mapping[str, str] | None = None,
    **more: Any,
) -> Object:
    """A container; what it asks of the processor is little, for the test's machine has few."""
    made: Object = {
        "name": name,
        "image": image,
        "imagePullPolicy": "IfNotPresent",
        "env": [{"name": key, "value": value} for key, value in (env or {}).items()],
        "resources": {"requests": {"cpu": "100m", "memory": memory}, "limits": {"memory": memory}},
        "securityContext": RESTRICTED,
        "volumeMounts": [{"name": volume, "mountPath": path} for volume, path in (volumes or {}).items()],
        **more,
    }
    optional = {"command": command, "args": args, "readinessProbe": ready}
    return made | {key: value for key, value in optional.items() if value is not None}


def deployment(
    name: str,
    one: Object,
    *,
    replicas: int = 1,
    volumes: Sequence[Object] = (),
    strategy: Object | None = None,
    **pod: Any,
) -> Object:
    """A Deployment of one container; every `emptyDir` that it mounts is made."""
    given = {volume["name"] for volume in volumes}
    scratch = [
        {"name": mount["name"], "emptyDir": {}} for mount in one["volumeMounts"] if mount["name"] not in given
    ]
    spec: Object = {
        "replicas": replicas,
        "selector": {"matchLabels": {"app": name}},
        "template": {
            "metadata": {"labels": {"app": name}},
            "spec": {
                "automountServiceAccountToken": False,
                "enableServiceLinks": False,  # KAFKA_PORT and its like would be taken for settings
                "containers": [one],
                "volumes": [*volumes, *scratch],
                **pod,
            },
        },
    }
    if strategy is not None:
        spec["strategy"] = strategy
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name}, "spec": spec}


def job(name: str, one: Object, volumes: Sequence[Object]) -> Object:
    """A Job of one container that is tried once."""
    pod = {
        "restartPolicy": "Never",
        "automountServiceAccountToken": False,
        "containers": [one],
        "volumes": list(volumes),
    }
    spec = {"backoffLimit": 0, "template": {"spec": pod}}
    return {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": name}, "spec": spec}


def service(name: str, *ports: int) -> Object:
    """A Service of the pods with the label `app` of its name."""
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name},
        "spec": {"selector": {"app": name}, "ports": [{"name": f"p{port}", "port": port} for port in ports]},
    }


def config_map(name: str, data: Mapping[str, str]) -> Object:
    """A ConfigMap."""
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": dict(data)}


def secret(name: str, data: Mapping[str, str]) -> Object:
    """A Secret."""
    return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "stringData": dict(data)}


def http_get(path: str, port: int, **more: Any) -> Object:
    """A probe that looks every second."""
    return {"httpGet": {"path": path, "port": port}, "periodSeconds": 1, **more}


def tcp(port: int) -> Object:
    """A probe that asks for the port only: the stand-ins have no clients inside."""
    return {"tcpSocket": {"port": port}, "periodSeconds": 1}


def as_yaml(content: Any) -> str:
    """JSON is YAML."""
    return json.dumps(content, indent=2)
