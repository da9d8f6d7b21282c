"""Brokers, users and their rights as resources of Strimzi's operator, which is already in the cluster."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pulumi

from infra.addresses import KAFKA
from infra.components.base import Part, Place, hidden
from infra.components.kafka import keystore
from infra.components.kafka_users import Users
from infra.objects import Object, labels, secret
from infra.sections import Certificate, Text
from infra.sections import Strimzi as StrimziSettings

__all__ = ["Strimzi", "StrimziArgs"]

_CLUSTER, _POOL, _PASSWORDS = "kafka", "brokers", "kafka-users"  # pragma: allowlist secret
_WAITING = {"pulumi.com/waitFor": "condition=Ready", "pulumi.com/timeoutSeconds": "900"}


@dataclass(frozen=True)
class StrimziArgs:
    """What the brokers need; as for the stack's own, but that Strimzi has the images."""

    settings: StrimziSettings
    certificate: Certificate
    authority: Text
    users: Users
    passwords: Mapping[str, Text]


class Strimzi(Part):
    """The cluster, its pool of brokers and its users.

    Attributes:
        ready: what consumers wait for.
    """

    def __init__(
        self, name: str, place: Place, args: StrimziArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("Strimzi", name, place.provider, place.namespace, [place.ready], opts)
        self._version = f"kafka.strimzi.io/{args.settings.api_version}"
        passwords: dict[str, Any] = {user: hidden(args.passwords[user]) for user in args.users}
        tls = self.make(secret("kafka-tls", keystore(args.certificate, args.authority), part="kafka"))
        logins = self.make(secret(_PASSWORDS, passwords, part="kafka"))
        pool = self.make(self._own("KafkaNodePool", _POOL, _pool(args.settings)))
        marks = {**_WAITING, "strimzi.io/node-pools": "enabled", "strimzi.io/kraft": "enabled"}
        brokers = self.make(self._own("Kafka", _CLUSTER, _cluster(args.settings), marks), after=[tls, pool])
        self.ready = [brokers]
        for user in args.users:
            made = self._own("KafkaUser", user, _user(user, args.users), _WAITING)
            self.ready.append(self.make(made, after=[brokers, logins]))
        self.register_outputs({})

    def _own(self, kind: str, name: str, spec: Object, annotations: Object | None = None) -> Object:
        metadata: Object = {"name": name, "labels": {**labels("kafka"), "strimzi.io/cluster": _CLUSTER}}
        if annotations:
            metadata["annotations"] = annotations
        return {"apiVersion": self._version, "kind": kind, "metadata": metadata, "spec": spec}


def _pool(settings: StrimziSettings) -> Object:
    volume: Object = {
        "id": 0,
        "type": "persistent-claim",
        "size": settings.storage.size,
        "deleteClaim": False,
        "kraftMetadata": "shared",
    }
    if settings.storage.class_name is not None:
        volume["class"] = settings.storage.class_name
    memory = settings.memory
    return {
        "replicas": settings.brokers,
        "roles": ["controller", "broker"],
        "storage": {"type": "jbod", "volumes": [volume]},
        "resources": {"requests": {"cpu": "500m", "memory": memory}, "limits": {"memory": memory}},
    }


def _cluster(settings: StrimziSettings) -> Object:
    copies, enough = settings.brokers, max(1, settings.brokers - 1)
    secret_name = "kafka-tls"  # noqa: S105  # pragma: allowlist secret
    shown = {"secretName": secret_name, "certificate": "tls.crt", "key": "tls.key"}
    listener = {
        "name": "clients",
        "port": KAFKA,
        "type": "internal",
        "tls": True,
        "authentication": {"type": "scram-sha-512"},
        "configuration": {"brokerCertChainAndKey": shown},
    }
    return {
        "kafka": {
            "version": settings.version,
            "listeners": [listener],
            "authorization": {"type": "simple"},
            "config": {
                "auto.create.topics.enable": False,
                "default.replication.factor": copies,
                "min.insync.replicas": enough,
                "offsets.topic.replication.factor": copies,
                "transaction.state.log.replication.factor": copies,
                "transaction.state.log.min.isr": enough,
            },
        },
        "entityOperator": {"userOperator": {}},
    }


def _user(user: str, users: Users) -> Object:
    operations: dict[tuple[str, str], list[str]] = {}
    for right in users[user]:
        key = (right["resource"].lower(), right["name"])
        operations.setdefault(key, []).append(right["operation"].title().replace("_", ""))
    acls = [
        {"resource": {"type": kind, "name": name, "patternType": "literal"}, "operations": allowed}
        for (kind, name), allowed in operations.items()
    ]
    password = {"valueFrom": {"secretKeyRef": {"name": _PASSWORDS, "key": user}}}
    return {
        "authentication": {"type": "scram-sha-512", "password": password},
        "authorization": {"type": "simple", "acls": acls},
    }
