"""The sections about Kafka: source, dead letters, schema."""

from enum import StrEnum
from typing import Annotated

from pydantic import Field

from doublegate.contract.declared_field import DeclaredField
from doublegate.contract.fields import Choice, GroupName, HttpUrl, SecretRef, Section, TopicName
from doublegate.contract.units import Duration, duration_between

__all__ = [
    "BreakerSpec",
    "Compatibility",
    "DlqSpec",
    "GroupProtocol",
    "KafkaSpec",
    "OnFailure",
    "Ordering",
    "SchemaSpec",
]


class GroupProtocol(StrEnum):
    """How the group's members share partitions."""

    CLASSIC = "Classic"
    CONSUMER = "Consumer"


class Ordering(StrEnum):
    """What keeps its order while events are worked on side by side."""

    KEY = "Key"
    PARTITION = "Partition"
    NONE = "None"


class OnFailure(StrEnum):
    """What happens to later events of a key after one of them became a dead letter."""

    CONTINUE = "Continue"
    PARK_KEY = "ParkKey"


class Compatibility(StrEnum):
    """What the registry demands of a new schema version."""

    BACKWARD = "BACKWARD"
    BACKWARD_TRANSITIVE = "BACKWARD_TRANSITIVE"
    FORWARD = "FORWARD"
    FORWARD_TRANSITIVE = "FORWARD_TRANSITIVE"
    FULL = "FULL"
    FULL_TRANSITIVE = "FULL_TRANSITIVE"
    NONE = "NONE"


class KafkaSpec(Section):
    """Where the events come from."""

    bootstrap_servers: str = Field(
        pattern=r"^[^\s,@/]+:[0-9]{1,5}(,[^\s,@/]+:[0-9]{1,5})*$",
        examples=["kafka-0:9092,kafka-1:9092"],
        description="Brokers to ask first: host:port, separated by commas.",
    )
    topic: TopicName = Field(description="Source topic. Immutable.")
    group: GroupName = Field(
        description="Consumer group, and the scope of 'once': two groups never meet in the ledger. Immutable."
    )
    partitions: int = Field(
        12,
        ge=1,
        le=10_000,
        description="Partitions of the source topic when it is created; 12 divides evenly among 1, 2, "
        "3, 4, 6 "
        "and 12 pods. An existing topic grows only with allowPartitionGrowth.",
    )
    replication_factor: int = Field(
        3, ge=1, le=32, description="Copies of each partition; 3 survives one broker away and one lost."
    )
    min_insync_replicas: int = Field(
        2,
        ge=1,
        le=32,
        description="Copies that must have a write before it is acknowledged; at most "
        "replicationFactor, and one "
        "less lets writes go on while a broker is away.",
    )
    group_protocol: Annotated[GroupProtocol, Choice] = Field(
        GroupProtocol.CLASSIC,
        description="Classic (cooperative-sticky; every broker speaks it) or Consumer (KIP-848, Kafka 4).",
    )
    ordering: Annotated[Ordering, Choice] = Field(
        Ordering.KEY,
        description="Key keeps the order of each record key, as most handlers expect; Partition keeps "
        "all of it, "
        "one event at a time; None keeps nothing.",
    )
    on_failure: Annotated[OnFailure, Choice] = Field(
        OnFailure.CONTINUE,
        description="Continue goes on with the key's later events; ParkKey sends them after the failed one.",
    )
    allow_partition_growth: bool = Field(
        False,
        description="Grow an existing topic to `partitions`. Off because growing moves keys to other "
        "partitions, "
        "which breaks their order once.",
    )
    security_ref: SecretRef | None = Field(
        None,
        description="Secret with security-protocol, sasl-mechanism, username, password, ca.crt, "
        "tls.crt, tls.key "
        "(each optional). None: plain text without authentication.",
    )


class BreakerSpec(Section):
    """When to pause instead of filling the DLQ."""

    failure_ratio: float = Field(
        0.5,
        ge=0.01,
        le=1,
        description="Pause when this share (0.01 to 1) of a window's events fails; half means an "
        "outage, not poison.",
    )
    window: Annotated[Duration, duration_between("1s", "1h")] = Field(
        "30s", validate_default=True, description="Span over which failures are counted, 1s to 1h."
    )


class DlqSpec(Section):
    """Where events go whose handling failed for good."""

    topic: TopicName | None = Field(
        None, description="Dead-letter topic; `<group>.dlq` when absent. Must differ from the source."
    )
    retention: Annotated[Duration, duration_between("1m", "3650d")] = Field(
        "14d",
        validate_default=True,
        description="How long dead letters live, 1m to 3650d; two weeks leave time to fix and replay.",
    )
    breaker: BreakerSpec = Field(default_factory=BreakerSpec, description="Pauses on mass failure.")


class SchemaSpec(Section):
    """The schema registry of the payloads."""

    registry_url: HttpUrl = Field(description="Base URL of a Confluent-compatible API, without credentials.")
    secret_ref: SecretRef | None = Field(
        None, description="Secret with username, password, ca.crt, tls.crt, tls.key (each optional)."
    )
    subject: str | None = Field(
        None, min_length=1, max_length=255, description="Subject of the value; `<topic>-value` when absent."
    )
    compatibility: Annotated[Compatibility, Choice] = Field(
        Compatibility.FULL_TRANSITIVE,
        description="Demanded of new versions. FULL_TRANSITIVE because a replay months later meets old "
        "payloads "
        "and new code, and the other way round.",
    )
    reads: dict[str, DeclaredField] | None = Field(
        None,
        description="What the handler's model reads, by the fields' paths: `fields` of what "
        "`doublegate schema fields` prints. "
        "The operator rolls out no pods that can't read the subject's latest schema; it compares nothing "
        "when absent.",
    )
