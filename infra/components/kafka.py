"""The stack's own brokers: KRaft, each a controller too, optionally with TLS and a user for each consumer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pulumi

from infra.addresses import KAFKA
from infra.components import kafka_settings as ks
from infra.components.base import Part, Place, fingerprint, hidden
from infra.components.kafka_users import Users, users_job
from infra.objects import (
    Server,
    config_map,
    disruption_budget,
    mebibytes,
    network_policy,
    secret,
    secret_volume,
    service,
    stateful_set,
    tcp,
)
from infra.sections import Certificate, StandaloneKafka, Text

__all__ = ["Kafka", "KafkaArgs", "keystore"]

_USER = 1000
_PORTS = {"clients": KAFKA, "inner": ks.INNER, "controller": ks.CONTROLLER}


@dataclass(frozen=True)
class KafkaArgs:
    """What the brokers need.

    Attributes:
        settings: of the stack.
        image: apache/kafka.
        tools: the consumer's image, whose client makes the users.
        certificate: of the brokers, when they speak TLS.
        authority: which signed it.
        scaler: the namespace of KEDA, which asks for the groups' lag.
        users: by name: what each may do.
        passwords: of the users.
    """

    settings: StandaloneKafka
    image: str
    tools: str
    certificate: Certificate | None
    authority: Text | None
    scaler: str
    users: Users
    passwords: Mapping[str, Text]


class Kafka(Part):
    """The brokers.

    Attributes:
        ready: what consumers wait for.
    """

    def __init__(
        self, name: str, place: Place, args: KafkaArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("Kafka", name, place.provider, place.namespace, [place.ready], opts)
        settings, files, volumes, annotations = args.settings, {}, [], {}
        before: list[pulumi.Resource] = []
        if args.certificate is not None and args.authority is not None:
            data = keystore(args.certificate, args.authority)
            before.append(self.make(secret("kafka-tls", data, part="kafka")))
            files["tls"] = ks.TLS
            volumes.append(secret_volume("tls", "kafka-tls"))
            annotations["doublegate.dev/secret"] = fingerprint(data)
        heap = mebibytes(settings.memory) // 2
        server = Server(
            name="kafka",
            image=args.image,
            user=_USER,
            memory=settings.memory,
            ports=_PORTS,
            ready=tcp("clients"),
            env=ks.environment(settings, place.namespace, heap),
            replicas=settings.brokers,
            data="/var/lib/kafka/data",
            storage=settings.storage,
            # The last two are where the image writes its settings and logs.
            scratch={"tmp": "/tmp", "config": "/opt/kafka/config", "logs": "/opt/kafka/logs"},  # noqa: S108
            files=files,
            volumes=volumes,
            annotations=annotations,
        )
        before += [
            self.make(service(ks.BROKERS, _PORTS, part="kafka", headless=True)),
            self.make(
                network_policy(
                    "kafka",
                    ["clients"],
                    namespaces=[args.scaler],
                    among=["inner", "controller"],
                    peers=_PEERS,
                )
            ),
        ]
        brokers = self.make(stateful_set(server, ks.BROKERS), after=before)
        self.make(service("kafka", {"clients": KAFKA}))
        self.make(disruption_budget("kafka"))
        self.ready: Sequence[pulumi.Resource] = [brokers]
        if args.certificate is not None:
            self.ready = [brokers, self._make_users(place, args, brokers)]
        self.register_outputs({})

    def _make_users(self, place: Place, args: KafkaArgs, brokers: pulumi.Resource) -> pulumi.Resource:
        passwords: dict[str, Any] = {user: hidden(args.passwords[user]) for user in args.users}
        job, script = users_job(args.tools, place.namespace, args.users, fingerprint(passwords))
        before = [
            self.make(secret("kafka-users", passwords, part="kafka-users")),
            self.make(config_map("kafka-users", script, part="kafka-users")),
        ]
        return self.make(job, after=[brokers, *before])


_PEERS = ("kafka", "kafka-users")


def keystore(certificate: Certificate, authority: Text) -> dict[str, Any]:
    """The brokers' certificate as Kafka reads it, and as other clients do."""
    chain = certificate.certificate.get_secret_value()
    key = certificate.key.get_secret_value()
    return {
        "keystore.pem": pulumi.Output.secret(key + chain),
        "tls.crt": pulumi.Output.secret(chain),
        "tls.key": pulumi.Output.secret(key),
        "ca.crt": hidden(authority),
    }
