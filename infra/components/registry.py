"""The stack's own schema registry, Apicurio, which keeps schemas in Kafka or in PostgreSQL."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pulumi

from infra.addresses import POSTGRES, REGISTRY, host
from infra.components.base import Part, Place, fingerprint, hidden
from infra.components.postgres import LOGIN
from infra.objects import (
    Object,
    Server,
    deployment,
    disruption_budget,
    http,
    network_policy,
    service,
)
from infra.sections import Apicurio, Text

__all__ = ["Registry", "RegistryArgs"]

_USER = 1001
_PORTS = {"registry": REGISTRY}


@dataclass(frozen=True)
class RegistryArgs:
    """What the registry needs.

    Attributes:
        settings: of the stack.
        image: apicurio/apicurio-registry.
        bootstrap_servers: of Kafka.
        login: the password of the database, when it keeps schemas there.
        after: what it keeps schemas in.
    """

    settings: Apicurio
    image: str
    bootstrap_servers: str
    login: Text | None
    after: Sequence[pulumi.Resource]


class Registry(Part):
    """The registry.

    Attributes:
        ready: what consumers wait for.
    """

    def __init__(
        self, name: str, place: Place, args: RegistryArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        before = [place.ready, *args.after]
        super().__init__("Registry", name, place.provider, place.namespace, before, opts)
        policy = self.make(network_policy("registry", ["registry"]))
        server = Server(
            name="registry",
            image=args.image,
            user=_USER,
            memory="768Mi",
            ports=_PORTS,
            ready=http("/apis/ccompat/v7/subjects", "registry"),
            env=_environment(args, place.namespace),
            replicas=args.settings.replicas,
            annotations={"doublegate.dev/secret": fingerprint({"password": hidden(args.login)})}
            if args.login
            else {},
            scratch={"tmp": "/tmp"},  # noqa: S108
        )
        self.ready = [self.make(deployment(server), after=[policy])]
        self.make(service("registry", _PORTS))
        self.make(disruption_budget("registry"))
        self.register_outputs({})


def _environment(args: RegistryArgs, namespace: str) -> list[Object]:
    plain = {
        "JAVA_TOOL_OPTIONS": "-Xmx320m -XX:+UseSerialGC",
        "QUARKUS_HTTP_ACCESS_LOG_ENABLED": "false",
    }
    if args.settings.storage == "KafkaSql":
        return _values(
            plain
            | {
                "APICURIO_STORAGE_KIND": "kafkasql",
                "APICURIO_KAFKASQL_BOOTSTRAP_SERVERS": args.bootstrap_servers,
            }
        )
    url = f"jdbc:postgresql://{host('postgres', namespace)}:{POSTGRES}/postgres"
    return [
        *_values(
            plain
            | {
                "APICURIO_STORAGE_KIND": "sql",
                "APICURIO_STORAGE_SQL_KIND": "postgresql",
                "APICURIO_DATASOURCE_URL": url,
            }
        ),
        _from_login("APICURIO_DATASOURCE_USERNAME", "username"),
        _from_login("APICURIO_DATASOURCE_PASSWORD", "password"),
    ]


def _values(given: Mapping[str, str]) -> list[Object]:
    return [{"name": name, "value": value} for name, value in given.items()]


def _from_login(name: str, key: str) -> Object:
    return {"name": name, "valueFrom": {"secretKeyRef": {"name": LOGIN, "key": key}}}
