"""The Job of a replay: `doublegate dlq replay` on the consumer's image, with the consumer's configuration."""

from __future__ import annotations

from collections.abc import Iterator

import yaml

from doublegate.contract.replay_resource import DeadLetterReplay
from doublegate.contract.resource import IdempotentConsumer
from doublegate_operator.core.meta import config_name, labels, manifest
from doublegate_operator.core.network import PORT
from doublegate_operator.core.pod import RESTRICTED, environment, scheduling
from doublegate_operator.core.wanted import Object

__all__ = ["JOB_LABEL", "job_name", "replay_objects"]

JOB_LABEL = "batch.kubernetes.io/job-name"
"""Kubernetes' own, on a Job's pods."""
_MEMORY = "256Mi"
"""A batch of 500 letters, and librdkafka's buffers."""
_TRIES = 3
_ETC = "/etc/doublegate"


def job_name(name: str) -> str:
    """Of the Job and of its ConfigMap."""
    return f"{name}-replay"


def replay_objects(replay: DeadLetterReplay, consumer: IdempotentConsumer, image: str) -> Iterator[Object]:
    """ConfigMap and Job. They are made once: a Job's template can't be changed."""
    name = job_name(replay.metadata.name)
    whole = replay.model_dump(mode="json", by_alias=True, exclude_none=True)
    text = yaml.safe_dump(whole, sort_keys=False)
    yield manifest(replay, "v1", "ConfigMap", name=name, data={"replay.yaml": text})
    template = {"metadata": {"labels": labels(replay)}, "spec": _pod(replay, consumer, image)}
    yield manifest(replay, "batch/v1", "Job", name=name, spec={"backoffLimit": _TRIES, "template": template})


def _pod(replay: DeadLetterReplay, consumer: IdempotentConsumer, image: str) -> Object:
    pod, secret = consumer.spec.pod, consumer.spec.kafka.security_ref
    files = [
        ("consumer", f"{_ETC}/consumer.yaml", "consumer.yaml"),
        ("replay", f"{_ETC}/replay.yaml", "replay.yaml"),
    ]
    mounts: list[Object] = [{"name": name, "mountPath": path, "subPath": key} for name, path, key in files]
    volumes: list[Object] = [
        {"name": "consumer", "configMap": {"name": config_name(consumer.metadata.name)}},
        {"name": "replay", "configMap": {"name": job_name(replay.metadata.name)}},
        {"name": "tmp", "emptyDir": {}},
    ]
    if secret is not None:
        volumes.append({"name": "secret", "secret": {"secretName": secret}})
        mounts.append({"name": "secret", "mountPath": f"{_ETC}/secrets/{secret}", "readOnly": True})
    container: Object = {
        "name": "replay",
        "image": image,
        "args": [
            "dlq",
            "replay",
            f"--from={_ETC}/replay.yaml",
            f"--replay-id={replay.metadata.uid}",  # a Job that another one left behind can't be ours
            f"--http-port={PORT}",
            "--report=/dev/termination-log",
        ],
        "ports": [{"name": "http", "containerPort": PORT, "protocol": "TCP"}],
        "resources": {"requests": {"cpu": "50m", "memory": _MEMORY}, "limits": {"memory": _MEMORY}},
        "securityContext": RESTRICTED,
        "volumeMounts": [*mounts, {"name": "tmp", "mountPath": "/tmp"}],  # noqa: S108 the pod's own
        **environment(pod),
    }
    return {
        "restartPolicy": "Never",  # a pod that failed stays, with its words
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "serviceAccountName": pod.service_account_name or consumer.metadata.name,
        "containers": [container],
        "volumes": volumes,
        **scheduling(pod),
    }
