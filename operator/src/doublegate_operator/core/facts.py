"""What the shell observed, as plain values: the input of `plan`.

A part that could not be asked is a `Failure`, never an exception and never an empty answer: "there is no
topic" and "Kafka did not answer" lead to different plans.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from doublegate.contract.consumer_status import ConsumerStatus
    from doublegate.contract.record import Field
    from doublegate_operator.core.reasons import Reason

__all__ = [
    "Binding",
    "DlqFacts",
    "Failure",
    "KafkaAuth",
    "KafkaFacts",
    "LatestSchema",
    "LedgerFacts",
    "Observed",
    "PodFacts",
    "RegistryFacts",
    "TopicFacts",
    "WorkloadFacts",
]


@dataclass(frozen=True, slots=True)
class Failure:
    """A part that could not be asked, or that refused.

    Attributes:
        reason: for the condition.
        message: cause and next step, without any secret.
    """

    reason: Reason
    message: str


@dataclass(frozen=True, slots=True)
class TopicFacts:
    """A topic that exists.

    Attributes:
        partitions: how many.
        replication_factor: copies of each.
        config: its own settings and the broker's defaults, as Kafka names them.
    """

    partitions: int
    replication_factor: int
    config: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class DlqFacts:
    """Dead letters in the topic.

    Attributes:
        open: how many.
        oldest_seconds: age of the oldest; None when there is none or it could not be read.
    """

    open: int
    oldest_seconds: float | None


@dataclass(frozen=True, slots=True)
class KafkaAuth:
    """What the Secret of `kafka.securityRef` holds, without any value of it.

    Attributes:
        protocol: as Kafka names it, such as SASL_SSL.
        mechanism: as Kafka names it, such as SCRAM-SHA-512; None without a login.
        ca: whether there is a `ca.crt`.
        certificate: whether there are `tls.crt` and `tls.key`.
    """

    protocol: str
    mechanism: str | None = None
    ca: bool = False
    certificate: bool = False


@dataclass(frozen=True, slots=True)
class KafkaFacts:
    """The group's topics by name (absent: does not exist), and how far the group is.

    Attributes:
        topics: source, DLQ and replay topic, those that exist.
        brokers: how many there are; a replication factor beyond them can't be had.
        lag: events published and not finished, source and replay topic; None before the source exists.
        committed: sum of committed offsets of the source; None before the first commit.
        dlq: of the DLQ; None before it exists.
        auth: how the brokers are spoken to, for KEDA; None when the resource names no Secret.
    """

    topics: Mapping[str, TopicFacts]
    brokers: int
    lag: int | None = None
    committed: int | None = None
    dlq: DlqFacts | None = None
    auth: KafkaAuth | None = None


@dataclass(frozen=True, slots=True)
class LatestSchema:
    """The newest schema of the subject.

    Attributes:
        version: its number.
        fields: that it describes, by their paths.
        unclear: why they can't be told; None when they can.
    """

    version: int
    fields: Mapping[str, Field] = field(default_factory=dict)
    unclear: str | None = None


@dataclass(frozen=True, slots=True)
class RegistryFacts:
    """The subject.

    Attributes:
        compatibility: its own level or the registry's; None when the registry says none.
        latest: its newest schema; None when it has none, or the resource does not say what it reads.
    """

    compatibility: str | None
    latest: LatestSchema | None = None


@dataclass(frozen=True, slots=True)
class Binding:
    """Whose the group is, as the ledger has it.

    Attributes:
        uid: of the resource.
        namespace: its namespace.
        name: its name.
        alive: whether that resource still exists; None when this operator may not look.
    """

    uid: str
    namespace: str
    name: str
    alive: bool | None


@dataclass(frozen=True, slots=True)
class LedgerFacts:
    """The server behind `ledger.url`.

    Attributes:
        binding: whose the group is; None for nobody's.
        policy: its `maxmemory-policy`; None when it may not be asked.
    """

    binding: Binding | None
    policy: str | None = None


@dataclass(frozen=True, slots=True)
class PodFacts:
    """One pod of the consumer.

    Attributes:
        name: its name.
        ready: whether Kubernetes holds it ready.
        config_hash: of its template.
        trouble: a container that can't start or keeps ending, with its reason; None when there is none.
        status: its answer on `/status`; None when it did not answer.
    """

    name: str
    ready: bool
    config_hash: str | None = None
    trouble: str | None = None
    status: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class WorkloadFacts:
    """The Deployment.

    Attributes:
        generation: of its spec.
        observed_generation: that its controller has seen.
        wanted: replicas asked for.
        total: pods that there are.
        updated: pods of the newest template.
        ready: pods that are ready.
        config_hash: of its template.
        problem: why its controller is stuck (a quota, a refused pod); None when it is not.
    """

    generation: int
    observed_generation: int
    wanted: int
    total: int
    updated: int
    ready: int
    config_hash: str | None = None
    problem: str | None = None


@dataclass(frozen=True, slots=True)
class Observed:
    """Everything that a plan depends on, beside the resource itself.

    Attributes:
        now: time of the look, with a time zone.
        kafka: topics and lag.
        ledger: the server and the group's binding.
        registry: the subject; None when the resource names no registry.
        keda: whether the cluster has KEDA.
        pod_monitors: whether the cluster has Prometheus' PodMonitor.
        secrets: fingerprint of each referenced Secret by name; None for one that is missing.
        workload: the Deployment; None when there is none.
        pods: its pods.
        scaler: conditions of the ScaledObject, type -> (status, message); None when there is none.
        status: what was written last; None for a new resource.
    """

    now: datetime
    kafka: KafkaFacts | Failure
    ledger: LedgerFacts | Failure
    registry: RegistryFacts | Failure | None = None
    keda: bool = True
    pod_monitors: bool = False
    secrets: Mapping[str, str | None] = field(default_factory=dict)
    workload: WorkloadFacts | None = None
    pods: tuple[PodFacts, ...] = ()
    scaler: Mapping[str, tuple[str, str]] | None = None
    status: ConsumerStatus | None = None
