"""The sections of the stack configuration: camelCase outside, unknown fields refused, no hidden defaults.

A section that can be one of several things has one field per thing, of which exactly one is given, as
Kubernetes has it.
"""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, JsonValue, SecretStr, Strict, model_validator
from pydantic_core import PydanticCustomError

from doublegate.contract.fields import DnsName, HttpUrl, RedisUrl, SecretRef, Section

__all__ = [
    "Certificate",
    "Cluster",
    "Consumer",
    "Images",
    "Kafka",
    "Keda",
    "Ledger",
    "Monitoring",
    "Operator",
    "Postgres",
    "Registry",
    "Secrets",
    "StandaloneKafka",
    "StandaloneLedger",
    "Storage",
    "Strimzi",
    "Text",
    "Traces",
]

Size = Annotated[str, Field(pattern=r"^[1-9][0-9]*(Mi|Gi|Ti)$", examples=["10Gi"])]
Image = Annotated[
    str,
    Field(
        pattern=r"^[a-z0-9][a-z0-9._/:-]*(:[A-Za-z0-9._-]+|@sha256:[0-9a-f]{64})$",
        examples=["docker.io/valkey/valkey:9.0.0"],
    ),
]
Text = Annotated[SecretStr, Strict(strict=False)]


class OneOf(Section):
    """Exactly one of the fields is given."""

    @model_validator(mode="after")
    def _exactly_one(self) -> Self:
        given = [name for name in type(self).model_fields if getattr(self, name) is not None]
        if len(given) != 1:
            names = ", ".join(type(self).model_fields)
            found = " and ".join(given) or "none of them"
            raise PydanticCustomError(
                "dg_one_of",
                "found {found}; allowed: exactly one of {names}",
                {"found": found, "names": names},
            )
        return self


class Storage(Section):
    """A volume that outlives its pod."""

    size: Size = Field(description="How large.")
    class_name: DnsName | None = Field(None, description="StorageClass; the cluster's default when absent.")


class StandaloneKafka(Section):
    """Brokers of the stack's own, each of them a controller, too."""

    brokers: Literal[1, 3] = Field(description="3 survive the loss of one.")
    memory: Size = Field("1536Mi", validate_default=True, description="Of a broker; half is for the heap.")
    storage: Storage | None = Field(None, description="Absent: a pod's scratch space, lost with the pod.")
    secure: bool = Field(description="TLS, and a SCRAM user with ACLs for each consumer.")


class Strimzi(Section):
    """Resources for Strimzi's operator, which is already in the cluster."""

    api_version: Literal["v1", "v1beta2"] = Field("v1", description="v1beta2 for Strimzi before 0.49.")
    version: str = Field(pattern=r"^[0-9]+(\.[0-9]+){2}$", examples=["4.1.0"], description="Kafka's.")
    brokers: Literal[1, 3] = Field(description="3 survive the loss of one.")
    memory: Size = Field("2Gi", validate_default=True, description="Of a broker.")
    storage: Storage = Field(description="Of a broker.")


class ExternalKafka(Section):
    """Brokers of somebody else."""

    bootstrap_servers: str = Field(
        pattern=r"^[^\s,@/]+:[0-9]{1,5}(,[^\s,@/]+:[0-9]{1,5})*$",
        examples=["kafka-0:9092,kafka-1:9092"],
        description="Brokers to ask first.",
    )
    security_ref: SecretRef | None = Field(None, description="Secret in the stack's namespace.")


class Kafka(OneOf):
    """Where the events are."""

    standalone: StandaloneKafka | None = Field(None, description="The stack's own brokers.")
    strimzi: Strimzi | None = Field(None, description="Strimzi's.")
    external: ExternalKafka | None = Field(None, description="Somebody else's.")


class StandaloneLedger(Section):
    """A Valkey of the stack's own that never evicts, with a user for each consumer."""

    max_memory: Size = Field(description="Of the data; the pod gets half as much again.")
    storage: Storage | None = Field(None, description="Absent: a pod's scratch space, lost with the pod.")
    replica: bool = Field(False, description="A second server that follows the first; failover is by hand.")
    secure: bool = Field(description="TLS.")


class ExternalLedger(Section):
    """Somebody else's Redis or Valkey."""

    url: RedisUrl = Field(description="redis:// or rediss://, without credentials.")
    secret_ref: SecretRef | None = Field(None, description="Secret in the stack's namespace.")


class Ledger(OneOf):
    """Gate 2."""

    standalone: StandaloneLedger | None = Field(None, description="The stack's own server.")
    external: ExternalLedger | None = Field(None, description="Somebody else's.")


class Apicurio(Section):
    """A registry of the stack's own."""

    storage: Literal["KafkaSql", "PostgreSql"] = Field(
        description="KafkaSql keeps schemas in the stack's Kafka, in plain text; PostgreSql in its database."
    )
    replicas: int = Field(1, ge=1, le=5, description="Pods.")


class ExternalRegistry(Section):
    """Somebody else's, of Confluent's API."""

    url: HttpUrl = Field(description="Base URL.")
    secret_ref: SecretRef | None = Field(None, description="Secret in the stack's namespace.")


class Registry(OneOf):
    """Schemas."""

    apicurio: Apicurio | None = Field(None, description="The stack's own.")
    external: ExternalRegistry | None = Field(None, description="Somebody else's.")


class Jaeger(Section):
    """Collector and query of the stack's own, in one pod."""

    storage: Storage | None = Field(None, description="Absent: traces are kept in memory.")
    max_traces: int = Field(20_000, ge=100, le=10_000_000, description="Kept in memory.")


class ExternalTraces(Section):
    """A collector of somebody else."""

    otlp_endpoint: HttpUrl = Field(description="OTLP over HTTP, such as http://collector:4318.")


class Traces(OneOf):
    """Where spans go."""

    jaeger: Jaeger | None = Field(None, description="The stack's own.")
    external: ExternalTraces | None = Field(None, description="Somebody else's.")


class KedaChart(Section):
    """KEDA by its chart, into a namespace of its own."""

    version: str = Field(pattern=r"^[0-9]+(\.[0-9]+){2}$", examples=["2.18.1"], description="The chart's.")
    namespace: DnsName = Field("keda", description="Made for it.")


class ExistingKeda(Section):
    """Somebody else's."""

    namespace: DnsName = Field(
        "keda", description="Where its pods are: they ask the stack's own Kafka for lag."
    )


class Keda(OneOf):
    """What scales consumers."""

    chart: KedaChart | None = Field(None, description="Install it.")
    existing: ExistingKeda | None = Field(None, description="It is already in the cluster.")

    @property
    def namespace(self) -> str:
        """Where its pods are."""
        return next(given.namespace for given in (self.chart, self.existing) if given is not None)


class Postgres(Section):
    """A database of the stack's own, for inboxes and the registry."""

    storage: Storage | None = Field(None, description="Absent: a pod's scratch space, lost with the pod.")
    memory: Size = Field("512Mi", validate_default=True, description="Of the pod.")


class Operator(Section):
    """The operator of Doublegate."""

    replicas: int = Field(2, ge=1, le=5, description="One acts, the others stand by.")
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field("INFO", description="Of its log.")


class Monitoring(Section):
    """Objects for Prometheus' operator and Grafana's sidecar, which are already in the cluster."""

    labels: dict[str, str] = Field(default_factory=dict, description="That Prometheus' selectors look for.")
    dashboard_labels: dict[str, str] = Field(
        default_factory=lambda: {"grafana_dashboard": "1"}, description="That Grafana's sidecar looks for."
    )


class Images(Section):
    """Images of what the stack runs; in production each by its digest."""

    kafka: Image | None = Field(None, description="apache/kafka.")
    valkey: Image | None = Field(None, description="valkey/valkey.")
    registry: Image | None = Field(None, description="apicurio/apicurio-registry.")
    jaeger: Image | None = Field(None, description="jaegertracing/jaeger.")
    postgres: Image | None = Field(None, description="postgres.")
    operator: Image = Field(description="What operator/Dockerfile builds.")
    consumer: Image = Field(description="What consumer_image/Dockerfile builds.")


class Consumer(Section):
    """An IdempotentConsumer; addresses and Secrets of the stack's own servers are filled in."""

    name: DnsName = Field(description="Of the resource.")
    spec: dict[str, JsonValue] = Field(description="As in the resource.")
    ready_seconds: int = Field(
        300, ge=10, le=3600, description="`pulumi up` waits so long until it is Ready."
    )


class Cluster(Section):
    """Which cluster; the current context of the usual kubeconfig when nothing is given."""

    kubeconfig: str | None = Field(None, min_length=1, description="Path of a kubeconfig.")
    context: str | None = Field(None, min_length=1, description="Its context.")


class Certificate(Section):
    """A server's certificate, in PEM."""

    certificate: Text = Field(description="With its chain.")
    key: Text = Field(description="In PKCS 8, not encrypted.")


class Secrets(Section):
    """What `python -m infra.credentials` makes and keeps encrypted in the stack's configuration."""

    passwords: dict[str, Text] = Field(default_factory=dict, description="By server and user.")
    certificates: dict[str, Certificate] = Field(default_factory=dict, description="By server.")
    authority: Text | None = Field(None, description="Certificate that signed them.")
    authority_key: Text | None = Field(None, description="Its key, for the next certificates.")
