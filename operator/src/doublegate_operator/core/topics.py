"""The group's topics: what is missing, too small or set differently.

The source is made as specified. DLQ and replay topic follow once the source is there, since their largest
message is the source's and 64 KiB more, for headers; the runtime makes the same ones where nobody did. The
replay topic has one partition: the group's assignor evens out the number of partitions over both topics, so
with as many as the source has, some members would get nothing but replays.

An existing topic with more partitions than specified is right as it is, and its real number counts
everywhere. Only settings that the resource states are repaired; the others are their owner's.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from doublegate.contract.consumer_spec import ConsumerSpec
from doublegate_operator.core.facts import Failure, KafkaFacts, TopicFacts
from doublegate_operator.core.reasons import Reason
from doublegate_operator.core.status import Finding
from doublegate_operator.core.wanted import CreateTopic, GrowTopic, SetTopicConfig

__all__ = ["ROOM_FOR_HEADERS", "TopicChange", "TopicsPlan", "plan_topics"]

ROOM_FOR_HEADERS = 64 * 1024
_DEFAULT_MAX_BYTES = 1_048_588  # Kafka's own, when the broker does not say

TopicChange = CreateTopic | GrowTopic | SetTopicConfig


@dataclass(frozen=True, slots=True)
class TopicsPlan:
    """What to change, and what is to be said.

    Attributes:
        finding: for TopicsReady.
        changes: in their order.
        partitions: of the source now; None while it does not exist or nobody knows.
        stuck: whether only a person can help.
    """

    finding: Finding
    changes: tuple[TopicChange, ...] = ()
    partitions: int | None = None
    stuck: bool = False


def plan_topics(spec: ConsumerSpec, kafka: KafkaFacts | Failure) -> TopicsPlan:
    """Compare the topics with the resource."""
    if isinstance(kafka, Failure):
        return TopicsPlan(Finding("False", kafka.reason, kafka.message))
    source = kafka.topics.get(spec.kafka.topic)
    differing = tuple(_source(spec, source)) + (tuple(_companions(spec, source, kafka)) if source else ())
    changes = tuple(change for change in differing if not _beyond(change, kafka.brokers))
    partitions = None if source is None else source.partitions
    if source is not None and spec.kafka.partitions > source.partitions and not _may_grow(spec):
        return TopicsPlan(_growth_forbidden(spec, source.partitions), changes, partitions, stuck=True)
    if beyond := [change for change in differing if _beyond(change, kafka.brokers)]:
        return TopicsPlan(_too_few_brokers(beyond[0], kafka.brokers), changes, partitions)
    if changes or source is None:
        text = f"Created or changed next: {', '.join(sorted({change.name for change in changes}))}."
        return TopicsPlan(Finding("False", Reason.PROGRESSING, text), changes, partitions)
    return TopicsPlan(_in_order(spec, source), (), partitions)


def _growth_forbidden(spec: ConsumerSpec, partitions: int) -> Finding:
    text = (
        f"Topic {spec.kafka.topic} has {partitions} partitions and spec.kafka.partitions is "
        f"{spec.kafka.partitions}. Growing moves keys to other partitions, which breaks their order once: "
        f"set kafka.allowPartitionGrowth to true, or partitions to {partitions}."
    )
    return Finding("False", Reason.PARTITION_GROWTH_FORBIDDEN, text)


def _too_few_brokers(change: TopicChange, brokers: int) -> Finding:
    copies = change.replication_factor if isinstance(change, CreateTopic) else 0
    text = (
        f"Topic {change.name} can't be created: it shall have {copies} copies and the number of brokers is "
        f"{brokers}. Add brokers, or lower spec.kafka.replicationFactor and minInsyncReplicas."
    )
    return Finding("False", Reason.TOO_FEW_BROKERS, text)


def _in_order(spec: ConsumerSpec, source: TopicFacts) -> Finding:
    text = f"{source.partitions} partitions, {source.replication_factor} copies of each."
    if source.replication_factor != spec.kafka.replication_factor:
        text += (
            f" spec.kafka.replicationFactor is {spec.kafka.replication_factor}: an existing topic keeps its "
            "copies until somebody reassigns its partitions."
        )
    return Finding("True", Reason.AS_SPECIFIED, text)


def _beyond(change: TopicChange, brokers: int) -> bool:
    return isinstance(change, CreateTopic) and change.replication_factor > brokers


def _may_grow(spec: ConsumerSpec) -> bool:
    return spec.kafka.allow_partition_growth


def _source(spec: ConsumerSpec, topic: TopicFacts | None) -> Iterator[TopicChange]:
    wanted = spec.kafka
    if topic is None:
        config = {"min.insync.replicas": str(wanted.min_insync_replicas)}
        yield CreateTopic(wanted.topic, wanted.partitions, wanted.replication_factor, config)
        return
    if _may_grow(spec) and topic.partitions < wanted.partitions:
        yield GrowTopic(wanted.topic, wanted.partitions)
    yield from _repaired(wanted.topic, topic, {"min.insync.replicas": _in_sync(spec, topic)})


def _companions(spec: ConsumerSpec, source: TopicFacts, kafka: KafkaFacts) -> Iterator[TopicChange]:
    grown = spec.kafka.partitions if _may_grow(spec) else 0
    room = int(source.config.get("max.message.bytes", _DEFAULT_MAX_BYTES)) + ROOM_FOR_HEADERS
    for name, partitions in ((spec.dlq_topic, max(source.partitions, grown)), (spec.replay_topic, 1)):
        topic = kafka.topics.get(name)
        stated = {
            "retention.ms": str(int(spec.dlq.retention * 1000)),
            "min.insync.replicas": _in_sync(spec, topic or source),
            "cleanup.policy": "delete",
        }
        if topic is None:
            config = stated | {"max.message.bytes": str(room)}
            yield CreateTopic(name, partitions, source.replication_factor, config)
            continue
        if topic.partitions < partitions:
            yield GrowTopic(name, partitions)
        if int(topic.config.get("max.message.bytes", _DEFAULT_MAX_BYTES)) < room:  # more does no harm
            stated |= {"max.message.bytes": str(room)}
        yield from _repaired(name, topic, stated)


def _repaired(name: str, topic: TopicFacts, stated: dict[str, str]) -> Iterator[TopicChange]:
    differing = {key: value for key, value in stated.items() if topic.config.get(key) != value}
    if differing:
        yield SetTopicConfig(name, differing)


def _in_sync(spec: ConsumerSpec, topic: TopicFacts) -> str:
    """Never more than there are copies, or every write would be refused."""
    return str(min(spec.kafka.min_insync_replicas, topic.replication_factor))
