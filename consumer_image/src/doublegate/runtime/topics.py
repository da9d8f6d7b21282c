"""The topics of a consumer: what the brokers say of them, and the two that are the group's own."""

from dataclasses import dataclass
from typing import NoReturn

from confluent_kafka import KafkaException, TopicCollection
from confluent_kafka.admin import AdminClient, ConfigResource, NewTopic, ResourceType  # type: ignore[attr-defined]
from tenacity import retry, retry_if_result, stop_after_delay, wait_fixed

from doublegate.contract.connections import KafkaConnection
from doublegate.contract.consumer_spec import ConsumerSpec
from doublegate.contract.errors import DoublegateError
from doublegate.contract.wire_bytes import uuid_bytes

__all__ = ["Topic", "TopicProblem", "describe", "ensure_own_topics"]

_SECONDS = 15.0
_ROOM_FOR_HEADERS = 64 * 1024


class TopicProblem(DoublegateError):
    """A topic is missing or can't be made; says which, and what to do."""


@dataclass(frozen=True, slots=True)
class Topic:
    """A topic as the brokers describe it.

    Attributes:
        name: its name.
        id: its uuid, 16 bytes.
        partitions: how many.
        replication_factor: copies of the first partition.
        max_message_bytes: of one record.
        retention: seconds; a year where records are kept for ever.
    """

    name: str
    id: bytes
    partitions: int
    replication_factor: int
    max_message_bytes: int
    retention: float


def describe(admin: AdminClient, name: str) -> Topic | None:
    """Ask the brokers about one topic; None when it does not exist.

    Raises:
        TopicProblem: the brokers do not answer, or refuse.
    """
    try:
        future = admin.describe_topics(TopicCollection([name]), request_timeout=_SECONDS)[name]
        description = future.result(_SECONDS)
        config = admin.describe_configs([ConfigResource(ResourceType.TOPIC, name)], request_timeout=_SECONDS)
        values = {key: entry.value for key, entry in next(iter(config.values())).result(_SECONDS).items()}
    except KafkaException as error:
        if error.args[0].name() == "UNKNOWN_TOPIC_OR_PART":
            return None
        raise TopicProblem(
            f"topic {name}: the brokers do not describe it: {error.args[0].str()}; "
            "are they up, and may this consumer describe it?"
        ) from error
    retention = int(values["retention.ms"])
    return Topic(
        name,
        uuid_bytes(description.topic_id),
        len(description.partitions),
        len(description.partitions[0].replicas),
        int(values["max.message.bytes"]),
        retention / 1000 if retention >= 0 else 365 * 86400.0,
    )


def ensure_own_topics(kafka: KafkaConnection, spec: ConsumerSpec) -> tuple[Topic, Topic, Topic]:
    """The source, DLQ and replay topics; the latter two, which are the group's own, are made where missing.

    Raises:
        TopicProblem: the source does not exist, or its companions can't be made.
    """
    with AdminClient(
        kafka.client_config()
    ) as admin:  # closed here: freed in a librdkafka thread it would crash
        return _ensured(admin, kafka, spec)


def _ensured(admin: AdminClient, kafka: KafkaConnection, spec: ConsumerSpec) -> tuple[Topic, Topic, Topic]:
    source = describe(admin, spec.kafka.topic)
    if source is None:
        raise TopicProblem(
            f"topic {spec.kafka.topic} does not exist on {kafka.bootstrap_servers}; create it, or correct "
            "spec.kafka.topic"
        )
    bytes_with_headers = source.max_message_bytes + _ROOM_FOR_HEADERS
    made = []
    # One partition for replays: the group's assignor evens out the number of partitions over both topics, so
    # with as many as the source has, one of two members got the source and the other nothing but replays.
    for name, partitions in ((spec.dlq_topic, source.partitions), (spec.replay_topic, 1)):
        topic = describe(admin, name)
        if topic is None:
            _create(admin, name, source, partitions, bytes_with_headers, spec)
            topic = _described(admin, name)
        if topic.max_message_bytes < bytes_with_headers:
            raise TopicProblem(
                f"topic {name}: max.message.bytes is {topic.max_message_bytes}, and a dead letter may have "
                f"{bytes_with_headers} (the source's limit and 64 KiB of headers); raise it"
            )
        made.append(topic)
    return source, made[0], made[1]


@retry(
    retry=retry_if_result(lambda topic: topic is None),
    stop=stop_after_delay(_SECONDS),
    wait=wait_fixed(0.1),
    retry_error_callback=lambda state: _never_there(str(state.args[1])),
)
def _described(admin: AdminClient, name: str) -> Topic:
    """What was created a moment ago, once the brokers have told each other."""
    return describe(admin, name)  # type: ignore[return-value]  # None is asked again


def _never_there(name: str) -> NoReturn:
    raise TopicProblem(f"topic {name} was created and does not appear; look at the brokers' logs")


def _create(
    admin: AdminClient, name: str, like: Topic, partitions: int, max_bytes: int, spec: ConsumerSpec
) -> None:
    topic = NewTopic(
        name,
        num_partitions=partitions,
        replication_factor=like.replication_factor,
        config={
            "max.message.bytes": str(max_bytes),
            "retention.ms": str(int(spec.dlq.retention * 1000)),
            "min.insync.replicas": str(min(spec.kafka.min_insync_replicas, like.replication_factor)),
            "cleanup.policy": "delete",
        },
    )
    try:
        admin.create_topics([topic], request_timeout=_SECONDS)[name].result(_SECONDS)
    except KafkaException as error:
        if error.args[0].name() != "TOPIC_ALREADY_EXISTS":  # another member was quicker
            raise TopicProblem(
                f"topic {name} can't be created: {error.args[0].str()}; create it by hand with "
                f"{partitions} partitions and max.message.bytes={max_bytes}"
            ) from error
