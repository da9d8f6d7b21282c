"""A Job that makes Kafka's users and their rights as they should be, with the brokers' own certificate."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

from infra.addresses import host
from infra.components.kafka_settings import BROKERS, INNER
from infra.objects import Object, Server, labels, secret_volume, tcp

__all__ = ["Users", "users_job"]

Users = Mapping[str, Sequence[Mapping[str, str]]]
"""By user: rights, each with the kind and name of a resource and an operation."""

_SCRIPT = Path(__file__).parents[1] / "in_pods" / "kafka_users.py"
_NAME = "kafka-users"
_USER = 65532


def users_job(image: str, namespace: str, users: Users, version: Any) -> tuple[Object, dict[str, str]]:
    """The Job, and the files of its ConfigMap.

    Args:
        image: the consumer's, which has a client.
        namespace: of the brokers.
        users: their rights.
        version: changes with the passwords; a Job can't be changed, so it is made again.
    """
    files = {"kafka_users.py": _SCRIPT.read_text(), "users.json": json.dumps(users, indent=1, sort_keys=True)}
    server = Server(
        name=_NAME,
        image=image,
        user=_USER,
        memory="128Mi",
        ports={"none": INNER},
        ready=tcp("none"),
        command=["python3", "/app/kafka_users.py"],
        env=[{"name": "BOOTSTRAP_SERVERS", "value": f"kafka-0.{host(BROKERS, namespace)}:{INNER}"}],
        scratch={"tmp": "/tmp"},  # noqa: S108
        files={"app": "/app", "passwords": "/etc/kafka/passwords", "tls": "/etc/kafka/tls"},
        volumes=[
            {"name": "app", "configMap": {"name": _NAME}},
            secret_volume("passwords", _NAME),
            secret_volume("tls", "kafka-tls"),
        ],
        annotations={"doublegate.dev/users": _digest(files["users.json"]), "doublegate.dev/secret": version},
    )
    template = server.template()
    template["spec"]["restartPolicy"] = "OnFailure"
    for container in template["spec"]["containers"]:  # it ends by itself: nothing is to be asked
        for name in ("ports", "startupProbe", "livenessProbe", "readinessProbe"):
            container.pop(name)
    job = {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": _NAME, "labels": labels(_NAME)},
        "spec": {"backoffLimit": 6, "activeDeadlineSeconds": 600, "template": template},
    }
    return job, files


def _digest(text: str) -> str:
    return sha256(text.encode()).hexdigest()[:32]
