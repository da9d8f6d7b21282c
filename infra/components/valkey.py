"""The stack's own ledger: a Valkey that never evicts, with a user for each consumer; a replica if wanted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

import pulumi

from doublegate.contract.scope import scope_tag
from infra.addresses import VALKEY, host
from infra.components.base import Part, Place, fingerprint, hidden
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
from infra.sections import Certificate, StandaloneLedger, Text

__all__ = ["ADMIN", "SECRET", "Valkey", "ValkeyArgs", "access_list", "configuration"]

ADMIN = "admin"
_USER = 999
_ETC, SECRET = "/etc/valkey", "/etc/valkey-secret"
_PORTS = {"valkey": VALKEY}
# What a consumer's scripts and the operator use, and nothing else.
_COMMANDS = (
    "eval evalsha script|load wait get pttl set del time hget hset hsetnx hgetall hmget hdel zadd zrem "
    "zrange zrevrange zremrangebyscore pexpire ping info dbsize select "
    "client|setinfo cluster|slots cluster|shards"
)


@dataclass(frozen=True)
class ValkeyArgs:
    """What the server needs.

    Attributes:
        settings: of the stack.
        image: valkey/valkey.
        certificate: of the server, when it speaks TLS.
        authority: which signed it.
        groups: by user, the consumer group whose keys it may use.
        admin_password: of the user `admin`, as whom a replica follows.
        passwords: of the users.
    """

    settings: StandaloneLedger
    image: str
    certificate: Certificate | None
    authority: Text | None
    groups: Mapping[str, str]
    admin_password: Text
    passwords: Mapping[str, Text]


class Valkey(Part):
    """The server, and its replica.

    Attributes:
        ready: what consumers wait for.
    """

    def __init__(
        self, name: str, place: Place, args: ValkeyArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("Valkey", name, place.provider, place.namespace, [place.ready], opts)
        following = f"masteruser {ADMIN}\nmasterauth {args.admin_password.get_secret_value()}\n"
        data: dict[str, Any] = {
            "users.acl": pulumi.Output.secret(access_list(args)),
            "following.conf": pulumi.Output.secret(following),
        }
        if args.certificate is not None and args.authority is not None:
            data |= {
                "tls.crt": hidden(args.certificate.certificate),
                "tls.key": hidden(args.certificate.key),
                "ca.crt": hidden(args.authority),
            }
        before = [
            self.make(secret("valkey", data)),
            self.make(config_map("valkey", {"valkey.conf": configuration(args)})),
        ]
        servers: dict[str, list[str]] = {"valkey": []}
        if args.settings.replica:
            servers["valkey-replica"] = ["--replicaof", host("valkey", place.namespace), str(VALKEY)]
        self.ready = []
        for one, more in servers.items():
            server = _server(one, args, more, fingerprint(data))
            governing = self.make(service(f"{one}-pods", _PORTS, part=one, headless=True))
            policy = self.make(network_policy(one, ["valkey"]))
            self.ready.append(
                self.make(stateful_set(server, f"{one}-pods"), after=[*before, governing, policy])
            )
            self.make(service(one, _PORTS))
            self.make(disruption_budget(one))
        self.register_outputs({})


def access_list(args: ValkeyArgs) -> str:
    """Users; passwords only by their SHA-256, as Valkey allows."""
    allowed = " ".join(f"+{command}" for command in _COMMANDS.split())
    lines = ["user default off", f"user {ADMIN} on #{_digest(args.admin_password)} ~* &* +@all"]
    lines += [
        f"user {user} on #{_digest(args.passwords[user])} resetchannels ~{scope_tag(group)}* -@all {allowed}"
        for user, group in args.groups.items()
    ]
    return "\n".join(lines) + "\n"


def _server(name: str, args: ValkeyArgs, more: list[str], version: pulumi.Output[str]) -> Server:
    return Server(
        name=name,
        image=args.image,
        user=_USER,
        memory=f"{mebibytes(args.settings.max_memory) * 3 // 2}Mi",  # a rewrite of the file needs room
        ports=_PORTS,
        ready=tcp("valkey"),
        command=["valkey-server", f"{_ETC}/valkey.conf", *more],
        data="/data",
        storage=args.settings.storage,
        files={"configuration": _ETC, "secret": SECRET},
        volumes=[
            {"name": "configuration", "configMap": {"name": "valkey"}},
            secret_volume("secret", "valkey"),
        ],
        annotations={
            "doublegate.dev/secret": version,
            "doublegate.dev/configuration": sha256(configuration(args).encode()).hexdigest()[:32],
        },
    )


def configuration(args: ValkeyArgs) -> str:
    """What is no secret."""
    lines = [
        "bind *",
        "protected-mode no",  # its users are named, and have passwords
        "dir /data",
        f"maxmemory {mebibytes(args.settings.max_memory)}mb",
        "maxmemory-policy noeviction",
        "appendonly yes",
        "appendfsync everysec",
        'save ""',
        f"aclfile {SECRET}/users.acl",
        f"include {SECRET}/following.conf",
    ]
    if args.certificate is None:
        lines.append(f"port {VALKEY}")
    else:
        lines += [
            "port 0",
            f"tls-port {VALKEY}",
            f"tls-cert-file {SECRET}/tls.crt",
            f"tls-key-file {SECRET}/tls.key",
            f"tls-ca-cert-file {SECRET}/ca.crt",
            "tls-auth-clients no",
            "tls-replication yes",
        ]
    return "\n".join(lines) + "\n"


def _digest(password: Text) -> str:
    return sha256(password.get_secret_value().encode()).hexdigest()
