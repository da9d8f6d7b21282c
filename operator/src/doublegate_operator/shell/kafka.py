"""The group's topics in Kafka: observes and changes them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import TypeVar

from confluent_kafka import KafkaError, KafkaException, TopicCollection
from confluent_kafka.admin import (  # type: ignore[attr-defined] # missing in its __all__
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    NewPartitions,
    NewTopic,
    ResourceType,
    TopicDescription,
)

from doublegate.contract.errors import SecretUnavailable
from doublegate.contract.resource import IdempotentConsumer
from doublegate_operator.core.facts import Failure, KafkaFacts, TopicFacts
from doublegate_operator.core.reasons import Reason
from doublegate_operator.core.topics import TopicChange
from doublegate_operator.core.wanted import CreateTopic, GrowTopic
from doublegate_operator.shell.kafka_client import UNSETTLED, KafkaClient, kafka_failure
from doublegate_operator.shell.kafka_offsets import (
    committed_offsets,
    dlq_facts,
    end_offsets,
    first_offsets,
    lag_of,
)
from doublegate_operator.shell.secrets import secret_failure

__all__ = ["change_topics", "observe_kafka"]

T = TypeVar("T")

_PAUSE = 0.5
_RESERVE = 5.0
"""Seconds for the last try."""


async def observe_kafka(consumer: IdempotentConsumer, root: Path) -> KafkaFacts | Failure:
    """The topics, the group's lag and the dead letters, within 10 s."""
    return await asyncio.to_thread(_with_client, consumer, root, lambda client: _settled(client, consumer))


async def change_topics(
    consumer: IdempotentConsumer, root: Path, changes: Sequence[TopicChange]
) -> Failure | None:
    """Make and change topics; what one refuses does not keep the others from it.

    Returns:
        The first failure.
    """
    return await asyncio.to_thread(_with_client, consumer, root, lambda client: _change(client, changes))


def _with_client(consumer: IdempotentConsumer, root: Path, do: Callable[[KafkaClient], T]) -> T | Failure:
    spec = consumer.spec.kafka
    try:
        client = KafkaClient(consumer, root)
    except SecretUnavailable as error:
        return secret_failure(error, root, spec.security_ref)
    except KafkaException as error:  # it reads certificates at once
        return kafka_failure(error, [], spec.bootstrap_servers, spec.security_ref)
    with client:
        try:
            return do(client)
        except (KafkaException, TimeoutError) as error:
            return client.failure(error)


def _settled(client: KafkaClient, consumer: IdempotentConsumer) -> KafkaFacts:
    """Not all brokers know at once of a topic that was just made or grown, be it by the former look."""
    while client.seconds > _RESERVE:
        try:
            return _observe(client, consumer)
        except KafkaException as error:
            if error.args[0].code() not in UNSETTLED:
                raise
        time.sleep(_PAUSE)
    return _observe(client, consumer)


def _observe(client: KafkaClient, consumer: IdempotentConsumer) -> KafkaFacts:
    spec = consumer.spec
    cluster = client.admin.describe_cluster(request_timeout=client.seconds)
    brokers = len(client.answer(cluster).nodes or ())
    found = _described(client, [spec.kafka.topic, spec.dlq_topic, spec.replay_topic])
    configs = _configs(client, list(found))
    topics = {
        name: TopicFacts(
            partitions=len(topic.partitions),
            replication_factor=min((len(each.replicas) for each in topic.partitions), default=0),
            config=configs[name],
        )
        for name, topic in found.items()
    }
    places = [(name, number) for name, topic in topics.items() for number in range(topic.partitions)]
    begins = first_offsets(client, places)
    worked = [place for place in places if place[0] != spec.dlq_topic]
    # Commits before ends: what is finished in between counts as lag, never as less than none.
    committed = committed_offsets(client, worked) if worked else {}
    ends = end_offsets(client, places)
    source = [offset for (topic, _), offset in committed.items() if topic == spec.kafka.topic]
    letters = {place: end for place, end in ends.items() if place[0] == spec.dlq_topic}
    return KafkaFacts(
        topics=topics,
        brokers=brokers,
        lag=lag_of(begins, {place: ends[place] for place in worked}, committed)
        if spec.kafka.topic in topics
        else None,
        committed=sum(source) if source else None,
        dlq=dlq_facts(client, begins, letters) if spec.dlq_topic in topics else None,
        auth=client.auth,
    )


def _described(client: KafkaClient, names: Sequence[str]) -> dict[str, TopicDescription]:
    """Those that exist. Asking so never makes a topic, which plain metadata requests may do."""
    futures = client.admin.describe_topics(TopicCollection(list(names)), request_timeout=client.seconds)
    found = {}
    for name, future in futures.items():
        try:
            found[name] = client.answer(future)
        except KafkaException as error:
            if error.args[0].code() != KafkaError.UNKNOWN_TOPIC_OR_PART:
                raise
    return found


def _configs(client: KafkaClient, names: Sequence[str]) -> dict[str, dict[str, str]]:
    if not names:
        return {}
    asked = [ConfigResource(ResourceType.TOPIC, name) for name in names]
    futures = client.admin.describe_configs(asked, request_timeout=client.seconds)
    return {
        resource.name: {
            key: entry.value for key, entry in client.answer(future).items() if entry.value is not None
        }
        for resource, future in futures.items()
    }


def _change(client: KafkaClient, changes: Sequence[TopicChange]) -> Failure | None:
    first: Failure | None = None
    for change in changes:
        try:
            _change_one(client, change)
        except (KafkaException, TimeoutError) as error:
            failure = client.failure(error)
            failure = Failure(failure.reason, f"Topic {change.name}: {failure.message}")
            first = first or failure
            if failure.reason is Reason.KAFKA_UNAVAILABLE:
                break
    return first


def _change_one(client: KafkaClient, change: TopicChange) -> None:
    admin, name, limit = client.admin, change.name, {"request_timeout": client.seconds}
    if isinstance(change, CreateTopic):
        topic = NewTopic(name, change.partitions, change.replication_factor, config=dict(change.config))
        _made(client, admin.create_topics([topic], **limit)[name])
    elif isinstance(change, GrowTopic):
        client.answer(admin.create_partitions([NewPartitions(name, change.partitions)], **limit)[name])
    else:
        entries = [
            ConfigEntry(key, value, incremental_operation=AlterConfigOpType.SET)
            for key, value in change.config.items()
        ]
        resource = ConfigResource(ResourceType.TOPIC, name, incremental_configs=entries)
        client.answer(admin.incremental_alter_configs([resource], **limit)[resource])


def _made(client: KafkaClient, future: Future[None]) -> None:
    try:
        client.answer(future)
    except KafkaException as error:
        # Somebody was first, be it the consumer's own pods; the next look compares it.
        if error.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:
            raise
