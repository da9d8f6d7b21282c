"""Connections to the real parts: the resource says where, the secrets say who.

No object here shows a secret in `repr`, `str` or an error. What is handed to a client (`client_config`,
`kwargs`, `conninfo`) holds secrets in clear: give it to the client and to nothing else.

Keys of a secret, each optional unless another needs it: `username` with `password`; `ca.crt` (the authority
that signed the server), `tls.crt` with `tls.key` (our certificate); for Kafka `security-protocol` and
`sasl-mechanism`; for PostgreSQL `dsn`, or `host`, `port`, `dbname`, `sslmode`.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlsplit

from pydantic import SecretStr

from doublegate.contract.credentials import Login, Tls
from doublegate.contract.gate_spec import InboxSpec, LedgerSpec
from doublegate.contract.kafka_spec import KafkaSpec, SchemaSpec
from doublegate.contract.secrets import SecretFiles

__all__ = ["KafkaConnection", "PostgresConnection", "RedisConnection", "RegistryConnection"]

_PROTOCOLS = ("PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL")
_MECHANISMS = ("SCRAM-SHA-512", "SCRAM-SHA-256", "PLAIN")
_SSL_MODES = ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")


@dataclass(frozen=True, slots=True)
class KafkaConnection:
    """How to reach the brokers."""

    bootstrap_servers: str
    protocol: str = "PLAINTEXT"
    mechanism: str | None = None
    login: Login | None = None
    tls: Tls = field(default_factory=Tls)

    @classmethod
    def from_spec(cls, spec: KafkaSpec, root: Path | None = None) -> Self:
        """Read `securityRef`.

        Without `security-protocol` it is SASL_SSL with a username and SSL without one, never a password over
        plain text by accident.

        Raises:
            SecretUnavailable: the secret is not there, or its keys do not fit together.
        """
        if spec.security_ref is None:
            return cls(spec.bootstrap_servers)
        secret = SecretFiles(spec.security_ref, "spec.kafka.securityRef", root)
        login, tls = Login.read(secret), Tls.read(secret)
        protocol = secret.choose("security-protocol", _PROTOCOLS, "SASL_SSL" if login else "SSL")
        sasl = protocol.startswith("SASL_")
        if sasl and login is None:
            raise secret.refuse("username", f"is missing; {protocol} needs username and password")
        if login is not None and not sasl:
            raise secret.refuse("security-protocol", f"says {protocol}, which uses no username; use SASL_SSL")
        if tls != Tls() and not protocol.endswith("SSL"):
            raise secret.refuse(
                "security-protocol", f"says {protocol}, which uses no certificates; use SASL_SSL"
            )
        mechanism = secret.choose("sasl-mechanism", _MECHANISMS, _MECHANISMS[0]) if sasl else None
        return cls(spec.bootstrap_servers, protocol, mechanism, login, tls)

    def client_config(self) -> dict[str, str | int | float | bool]:
        """Configuration for librdkafka, secrets in clear."""
        config: dict[str, str | int | float | bool] = {
            "bootstrap.servers": self.bootstrap_servers,
            "security.protocol": self.protocol,
            **self.tls.named("ssl.ca.location", "ssl.certificate.location", "ssl.key.location"),
        }
        if self.login is not None and self.mechanism is not None:
            config["sasl.mechanism"] = self.mechanism
            config["sasl.username"] = self.login.username or ""
            config["sasl.password"] = self.login.password.get_secret_value()
        return config


@dataclass(frozen=True, slots=True)
class RedisConnection:
    """How to reach the ledger."""

    url: str
    login: Login | None = None
    tls: Tls = field(default_factory=Tls)

    @classmethod
    def from_spec(cls, spec: LedgerSpec, root: Path | None = None) -> Self:
        """Read `secretRef`.

        Raises:
            SecretUnavailable: the secret is not there, or its keys do not fit together.
        """
        secret = SecretFiles(spec.secret_ref, "spec.ledger.secretRef", root)
        tls = Tls.read_for_url(secret, spec.url, "rediss://")
        return cls(spec.url, Login.read(secret, user_optional=True), tls)

    @property
    def kwargs(self) -> dict[str, Any]:
        """Arguments for `redis.Redis` and `redis.RedisCluster`, secrets in clear."""
        parts = urlsplit(self.url)
        kwargs: dict[str, Any] = {
            "host": parts.hostname,
            "port": parts.port or 6379,
            "db": int(parts.path.strip("/") or 0),
        }
        if self.login is not None:
            kwargs |= {"username": self.login.username, "password": self.login.password.get_secret_value()}
        if parts.scheme == "rediss":
            kwargs |= {"ssl": True, **self.tls.named("ssl_ca_certs", "ssl_certfile", "ssl_keyfile")}
        return kwargs


@dataclass(frozen=True, slots=True)
class RegistryConnection:
    """How to reach the schema registry."""

    url: str
    login: Login | None = None
    tls: Tls = field(default_factory=Tls)

    @classmethod
    def from_spec(cls, spec: SchemaSpec, root: Path | None = None) -> Self:
        """Read `secretRef`.

        Raises:
            SecretUnavailable: the secret is not there, or its keys do not fit together.
        """
        secret = SecretFiles(spec.secret_ref, "spec.schema.secretRef", root)
        login = Login.read(secret)
        if login is not None and ":" in (login.username or ""):
            raise secret.refuse("username", "has a colon, which HTTP's basic authentication cannot carry")
        return cls(spec.registry_url, login, Tls.read_for_url(secret, spec.registry_url, "https://"))

    def client_config(self) -> dict[str, str]:
        """Configuration for confluent_kafka's SchemaRegistryClient, secrets in clear."""
        config = {
            "url": self.url,
            **self.tls.named("ssl.ca.location", "ssl.certificate.location", "ssl.key.location"),
        }
        if self.login is not None:
            password = self.login.password.get_secret_value()
            config["basic.auth.user.info"] = f"{self.login.username}:{password}"
        return config


@dataclass(frozen=True, slots=True)
class PostgresConnection:
    """How to reach the inbox's database."""

    secret_conninfo: SecretStr

    @classmethod
    def from_spec(cls, spec: InboxSpec, root: Path | None = None) -> Self:
        """Read `secretRef`: its `dsn` as it stands, or else its parts (as CloudNativePG names them).

        With `ca.crt` and no `sslmode` the server must prove its name.

        Raises:
            SecretUnavailable: the secret is not there, or its keys do not fit together.
        """
        secret = SecretFiles(spec.secret_ref, "spec.inbox.secretRef", root)
        dsn = secret.get("dsn")
        return cls(dsn if dsn is not None else SecretStr(_conninfo(secret)))

    @property
    def conninfo(self) -> str:
        """Connection string for psycopg, secrets in clear."""
        return self.secret_conninfo.get_secret_value()


def _conninfo(secret: SecretFiles) -> str:
    tls, login = Tls.read(secret), Login.read(secret)
    given = {key: secret.get(key) for key in ("host", "port", "dbname")}
    if given["host"] is None:
        raise secret.refuse("dsn", "is missing, and so is host; give the one or the other")
    parts = {key: value.get_secret_value() for key, value in given.items() if value is not None}
    if login is not None:
        parts |= {"user": login.username or "", "password": login.password.get_secret_value()}
    parts |= {"sslmode": secret.choose("sslmode", _SSL_MODES, "verify-full" if tls.ca else "prefer")}
    parts |= tls.named("sslrootcert", "sslcert", "sslkey")
    return " ".join(f"{name}={_quoted(value)}" for name, value in parts.items())


def _quoted(value: str) -> str:
    escaped = value.replace("\\", r"\\").replace("'", r"\'")
    return f"'{escaped}'"
