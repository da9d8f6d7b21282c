"""Facts for plans, and a world that carries plans out, as Kafka, the ledger and Kubernetes would."""

from __future__ import annotations

import copy
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from doublegate.contract.consumer_status import Condition, ConsumerStatus
from doublegate.contract.resource import IdempotentConsumer, parse_consumer
from doublegate_operator.core.facts import (
    Binding,
    Failure,
    KafkaFacts,
    LatestSchema,
    LedgerFacts,
    Observed,
    PodFacts,
    RegistryFacts,
    TopicFacts,
    WorkloadFacts,
)
from doublegate_operator.core.meta import HASH_ANNOTATION
from doublegate_operator.core.plan import plan
from doublegate_operator.core.settings import OperatorSettings
from doublegate_operator.core.wanted import CreateTopic, GrowTopic, Plan

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
UID = "1f0e8a6c-0001"
BROKER = {"max.message.bytes": "1048588", "min.insync.replicas": "1", "cleanup.policy": "delete"}
SETTINGS = OperatorSettings(operator_namespace="operators")

Fields = dict[str, Any]


def consumer(generation: int = 1, uid: str = UID, **fields: Any) -> IdempotentConsumer:
    """A resource, with fields of its spec by their paths: `kafka__partitions=6`, `pod__resources={...}`."""
    spec: Fields = {
        "image": "registry.example/payments:1",
        "handler": {"python": "shop.payments:charge"},
        "kafka": {"bootstrapServers": "kafka:9092", "topic": "payments", "group": "shop"},
        "filter": {"expectedRate": 100},
        "scaling": {"initialRate": 100},
    }
    for path, value in fields.items():
        *parents, last = path.split("__")
        place = spec
        for parent in parents:
            place = place.setdefault(parent, {})
        place[last] = copy.deepcopy(value)
    metadata = {"name": "payments", "namespace": "shop", "uid": uid, "generation": generation}
    return parse_consumer(
        {
            "apiVersion": "doublegate.dev/v1alpha1",
            "kind": "IdempotentConsumer",
            "metadata": metadata,
            "spec": spec,
        }
    )


def condition(status: ConsumerStatus, kind: str) -> Condition:
    """The one of that type."""
    [found] = [c for c in status.conditions if c.type == kind]
    return found


def said(made: Plan, kind: str) -> tuple[str, str]:
    """Status and reason of a condition."""
    found = condition(made.status, kind)
    return found.status, found.reason


def pod(name: str = "payments-1", *, ready: bool = True, **status: Any) -> PodFacts:
    """A pod that answers; `capacity=` and the like are of its /status."""
    answer: Fields = {"partitions": [], "held": 0, "inFlight": 0, "paused": [], "unknownOutcomes": {}}
    return PodFacts(name, ready, None, None, answer | status)


def object_of(made: Plan, kind: str) -> Fields:
    """The one object of that kind."""
    [found] = [one for one in made.objects if one["kind"] == kind]
    return found


@dataclass
class World:
    """What there is; a plan that is carried out changes it."""

    resource: IdempotentConsumer = field(default_factory=consumer)
    topics: dict[str, TopicFacts] = field(default_factory=dict)
    brokers: int = 3
    binding: Binding | None = None
    policy: str | None = "noeviction"
    compatibility: str | None = "BACKWARD"
    latest: LatestSchema | None = None
    keda: bool = True
    objects: dict[tuple[str, str], Fields] = field(default_factory=dict)
    replicas: int = 1
    ready: int | None = None
    lag: int | None = 0
    committed: int | None = None
    capacity: float = 100.0
    pod_status: Fields = field(default_factory=dict)
    secrets: dict[str, str | None] = field(default_factory=dict)
    kafka_failure: Failure | None = None
    ledger_failure: Failure | None = None
    registry_failure: Failure | None = None
    status: ConsumerStatus | None = None
    now: datetime = NOW

    def observe(self) -> Observed:
        """What a look finds."""
        schema = self.resource.spec.schema_
        latest = self.latest if schema is not None and schema.reads is not None else None
        registry = None if schema is None else RegistryFacts(self.compatibility, latest)
        deployed = self.objects.get(("Deployment", "payments"))
        ready = self.replicas if self.ready is None else self.ready
        workload, pods = None, ()  # type: tuple[WorkloadFacts | None, tuple[PodFacts, ...]]
        if deployed is not None:
            digest = deployed["spec"]["template"]["metadata"]["annotations"][HASH_ANNOTATION]
            workload = WorkloadFacts(1, 1, self.replicas, self.replicas, self.replicas, ready, digest)
            pods = tuple(self._pod(number, ready) for number in range(self.replicas))
        scaler = {"Ready": ("True", "")} if ("ScaledObject", "payments") in self.objects else None
        kafka = KafkaFacts(dict(self.topics), self.brokers, self.lag, self.committed)
        return Observed(
            now=self.now,
            kafka=self.kafka_failure or kafka,
            ledger=self.ledger_failure or LedgerFacts(self.binding, self.policy),
            registry=registry and (self.registry_failure or registry),
            keda=self.keda,
            secrets=dict(self.secrets),
            workload=workload,
            pods=pods,
            scaler=scaler,
            status=self.status,
        )

    def carry_out(self, made: Plan) -> None:
        """Do what the plan says."""
        if made.bind is not None:
            assert made.bind.former == (self.binding.uid if self.binding else None)
            self.binding = Binding(made.bind.uid, "shop", "payments", alive=True)
        for change in made.topics:
            if isinstance(change, CreateTopic):
                assert change.name not in self.topics
                assert change.replication_factor <= self.brokers
                config = BROKER | dict(change.config)
                self.topics[change.name] = TopicFacts(change.partitions, change.replication_factor, config)
                continue
            topic = self.topics[change.name]
            if isinstance(change, GrowTopic):
                assert change.partitions > topic.partitions
                self.topics[change.name] = replace(topic, partitions=change.partitions)
            else:
                self.topics[change.name] = replace(topic, config={**topic.config, **change.config})
        if made.compatibility is not None:
            self.compatibility = made.compatibility.level
        if made.apply:
            wanted = {(one["kind"], one["metadata"]["name"]): one for one in made.objects}
            self.objects = wanted if made.prune else self.objects | wanted
        self.status = made.status

    def step(self, seconds: float = 0) -> Plan:
        """Look, plan and do it; then time passes."""
        made = plan(self.resource, self.observe(), SETTINGS)
        self.carry_out(made)
        self.now += timedelta(seconds=seconds)
        return made

    def settle(self) -> Plan:
        """Look until nothing is to be done; a world that is never done fails."""
        for _ in range(12):
            before = copy.deepcopy((self.topics, self.binding, self.compatibility, self.objects))
            made = self.step(seconds=1)
            after = (self.topics, self.binding, self.compatibility, self.objects)
            if not made.changing and before == after:
                return made
        raise AssertionError("it never comes to rest")

    def _pod(self, number: int, ready: int) -> PodFacts:
        count = self.topics["payments"].partitions
        held = [
            {"topic": "payments", "partition": partition, "epoch": 1}
            for partition in range(count)
            if partition % max(1, ready) == number
        ]
        status = {"partitions": held, "capacityEventsPerSecond": self.capacity, **self.pod_status}
        return pod(f"payments-{number}", ready=number < ready, **status)
