"""The stack configuration as one typed model, complete and checked before anything is created."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from pydantic import Field, ValidationError, model_validator
from pydantic_core import PydanticCustomError

from doublegate.contract.errors import InvalidResource, Problem
from doublegate.contract.explain import problems_of
from doublegate.contract.fields import DnsName, Section
from infra import sections as s
from infra.rules import MAKE, fitting, for_production

__all__ = ["NAMESPACE", "InvalidSettings", "Settings", "Wanted", "read_settings", "wanted_secrets"]

NAMESPACE = "doublegate"
"""Of the configuration: `pulumi config set doublegate:...`."""

_TEXTS = frozenset({"namespace"})


class InvalidSettings(InvalidResource):
    """A configuration that is not valid; the message has one line per problem."""


@dataclass(frozen=True)
class Wanted:
    """Names of the secrets that a configuration needs."""

    namespace: str
    passwords: tuple[str, ...]
    certificates: tuple[str, ...]


class Settings(Section):
    """Everything that differs between stacks."""

    production: bool = Field(description="Demands digests, volumes, TLS and users.")
    namespace: DnsName = Field(description="Made for the stack; everything but KEDA is in it.")
    cluster: s.Cluster = Field(default_factory=lambda: s.Cluster.model_validate({}), description="Which one.")
    images: s.Images = Field(description="Of what runs.")
    kafka: s.Kafka = Field(description="Events.")
    ledger: s.Ledger = Field(description="Gate 2.")
    registry: s.Registry | None = Field(None, description="Schemas; none when absent.")
    traces: s.Traces | None = Field(None, description="Spans; nowhere when absent.")
    keda: s.Keda = Field(description="Scaling.")
    postgres: s.Postgres | None = Field(None, description="For inboxes and the registry; none when absent.")
    operator: s.Operator = Field(
        default_factory=lambda: s.Operator.model_validate({}), description="Of Doublegate."
    )
    monitoring: s.Monitoring | None = Field(None, description="For Prometheus and Grafana; none when absent.")
    consumers: list[s.Consumer] = Field(default_factory=list, description="To run.")
    secrets: s.Secrets = Field(
        default_factory=lambda: s.Secrets.model_validate({}), description="Encrypted by Pulumi."
    )

    @model_validator(mode="after")
    def _rules(self) -> Self:
        if problems := [*fitting(self), *(for_production(self) if self.production else ())]:
            text = "; ".join(map(str, problems))
            raise PydanticCustomError("dg_rules", "{text}", {"text": text, "problems": problems})
        return self

    @property
    def own_images(self) -> tuple[str, ...]:
        """Names of the images that the stack runs."""
        own = {
            "kafka": self.kafka.standalone,
            "valkey": self.ledger.standalone,
            "registry": self.registry and self.registry.apicurio,
            "jaeger": self.traces and self.traces.jaeger,
            "postgres": self.postgres,
        }
        return (*(name for name, there in own.items() if there is not None), "operator", "consumer")

    @property
    def kafka_users(self) -> bool:
        """Whether each consumer has a user of its own in Kafka."""
        standalone = self.kafka.standalone
        return self.kafka.strimzi is not None or (standalone is not None and standalone.secure)

    @property
    def wanted_passwords(self) -> tuple[str, ...]:
        """Names of the passwords that the stack's own servers need."""
        names = [consumer.name for consumer in self.consumers]
        wanted = [f"kafka-{name}" for name in names] if self.kafka_users else []
        if self.ledger.standalone is not None:
            wanted += ["ledger", *(f"ledger-{name}" for name in names)]
        return (*wanted, *(("postgres",) if self.postgres is not None else ()))

    @property
    def wanted_certificates(self) -> tuple[str, ...]:
        """Names of the servers that speak TLS."""
        ledger = self.ledger.standalone
        wanted = ["kafka"] if self.kafka_users else []
        return (*wanted, *(("ledger",) if ledger is not None and ledger.secure else ()))


def read_settings(values: Mapping[str, str], secret_keys: frozenset[str] = frozenset()) -> Settings:
    """Check a configuration.

    Args:
        values: by name without the namespace, each as Pulumi keeps it: JSON, or a plain text.
        secret_keys: names of those that are encrypted.

    Raises:
        InvalidSettings: one line per problem: the field, what was given, what is allowed.
    """
    try:
        settings = Settings.model_validate(_given(values))
    except ValidationError as error:
        problems = [_masked(problem) for problem in problems_of(error, Settings)]
    else:
        if "secrets" not in values or "secrets" in secret_keys:
            return settings
        problems = [
            Problem("secrets", f"is not encrypted; set it with `pulumi config set --secret`, or {MAKE}")
        ]
    raise InvalidSettings("configuration", [Problem(f"{NAMESPACE}:{p.path}", p.text) for p in problems])


def wanted_secrets(values: Mapping[str, str]) -> Wanted:
    """What the rest of a configuration, which need not be complete otherwise, asks of its secrets.

    Raises:
        InvalidSettings: a section is not valid by itself.
    """
    given = {name: value for name, value in _given(values).items() if name != "secrets"}
    try:
        settings = _Unruled.model_validate(given)
    except ValidationError as error:
        problems = [Problem(f"{NAMESPACE}:{p.path}", p.text) for p in problems_of(error, _Unruled)]
    else:
        return Wanted(settings.namespace, settings.wanted_passwords, settings.wanted_certificates)
    raise InvalidSettings("configuration", problems)


class _Unruled(Settings):
    """Sections that need not fit together yet."""

    @model_validator(mode="after")
    def _rules(self) -> Self:
        return self


def _given(values: Mapping[str, str]) -> dict[str, Any]:
    return {name: _parsed(name, value) for name, value in values.items()}


def _parsed(name: str, value: str) -> Any:
    if name in _TEXTS:
        return value
    try:
        return json.loads(value)
    except ValueError:
        return value


def _masked(problem: Problem) -> Problem:
    """A number or a text in the wrong place below `secrets` may be one."""
    if not problem.path.startswith("secrets"):
        return problem
    return Problem(
        problem.path, re.sub(r"^given .*?;", "given something else;", problem.text, flags=re.DOTALL)
    )
