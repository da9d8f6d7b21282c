"""The stack's own database, for inboxes and the registry."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pulumi

from infra.addresses import POSTGRES, host
from infra.components.base import Part, Place, fingerprint, hidden
from infra.objects import Server, disruption_budget, network_policy, secret, service, stateful_set, tcp
from infra.sections import Postgres as PostgresSettings
from infra.sections import Text

__all__ = ["LOGIN", "Postgres", "PostgresArgs"]

LOGIN = "postgres-login"
"""The Secret with host, port, dbname, username and password, as an inbox's secretRef wants it."""
_USER = 999
_PORTS = {"postgres": POSTGRES}


@dataclass(frozen=True)
class PostgresArgs:
    """What the server needs."""

    settings: PostgresSettings
    image: str
    password: Text


class Postgres(Part):
    """The server.

    Attributes:
        ready: what its clients wait for.
    """

    def __init__(
        self, name: str, place: Place, args: PostgresArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("Postgres", name, place.provider, place.namespace, [place.ready], opts)
        data: dict[str, Any] = {
            "host": host("postgres", place.namespace),
            "port": str(POSTGRES),
            "dbname": "postgres",
            "username": "postgres",
            "password": hidden(args.password),
        }
        before = [
            self.make(secret(LOGIN, data, part="postgres")),
            self.make(service("postgres-pods", _PORTS, part="postgres", headless=True)),
            self.make(network_policy("postgres", ["postgres"])),
        ]
        key = {"name": LOGIN, "key": "password"}
        server = Server(
            name="postgres",
            image=args.image,
            user=_USER,
            memory=args.settings.memory,
            ports=_PORTS,
            ready=tcp("postgres"),
            args=["postgres"],
            env=[{"name": "POSTGRES_PASSWORD", "valueFrom": {"secretKeyRef": key}}],
            data="/var/lib/postgresql",
            storage=args.settings.storage,
            scratch={"run": "/var/run/postgresql", "tmp": "/tmp"},  # noqa: S108
            annotations={"doublegate.dev/secret": fingerprint(data)},
        )
        self.ready = [self.make(stateful_set(server, "postgres-pods"), after=before)]
        self.make(service("postgres", _PORTS))
        self.make(disruption_budget("postgres"))
        self.register_outputs({})
