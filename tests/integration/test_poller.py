"""What the polling thread does at a rebalance, on a real client and broker."""

from __future__ import annotations

import threading
import uuid
from typing import TYPE_CHECKING

from confluent_kafka import Producer, TopicPartition

from doublegate.runtime.poller import Poller
from tests.helpers import eventually

if TYPE_CHECKING:
    from confluent_kafka import Message

    from doublegate.local.model import Endpoints
    from doublegate.runtime.partition import TopicPartitionKey
    from doublegate.runtime.poller import Assigned
    from tests.integration.conftest import TopicFactory

PARTITIONS = 4
SECONDS = 30.0


class Reservoir:
    """Takes nothing while it is shut."""

    def __init__(self) -> None:
        self.open = threading.Event()
        self.got: set[int | None] = set()

    def assigned(self, partitions: list[Assigned]) -> None:
        """They are read from their beginning."""

    def drain(self, names: list[TopicPartitionKey]) -> dict[TopicPartitionKey, tuple[int, str]]:
        assert names
        return {}

    def lost(self, names: list[TopicPartitionKey]) -> None:
        raise AssertionError(f"lost {names}")

    def arrived(self, messages: list[Message]) -> None:
        self.got.update(message.partition() for message in messages)

    def room(self, timeout: float) -> int:
        return 500 if self.open.wait(timeout) else 0

    def skipped(self, name: TopicPartitionKey, error: str) -> None:
        raise AssertionError(f"{name}: {error}")

    def broken(self, error: Exception) -> None:
        raise error


def test_what_left_while_paused_flows_when_it_comes_back_at_once(
    endpoints: Endpoints, topic_factory: TopicFactory
) -> None:
    """Two rebalances in a row: the client has no time to forget its pause."""
    topic = topic_factory(partitions=PARTITIONS)
    servers = {"bootstrap.servers": str(endpoints.bootstrap_servers)}
    producer = Producer(servers)
    for number in range(PARTITIONS * 10):
        producer.produce(topic, b"x", partition=number % PARTITIONS)
    assert producer.flush(SECONDS) == 0
    reservoir = Reservoir()
    poller = Poller({**servers, "group.id": uuid.uuid4().hex}, [topic], reservoir)
    consumer = poller._consumer
    ours = [TopicPartition(topic, number) for number in range(PARTITIONS)]
    try:
        poller._on_assign(consumer, ours)
        poller._make_room()  # waits a little, and finds none
        poller._make_room()
        assert poller.full
        poller._on_revoke(consumer, ours)
        poller._on_assign(consumer, ours)
        reservoir.open.set()
        eventually(lambda: _poll(poller, reservoir), SECONDS)
    finally:
        consumer.close()


def _poll(poller: Poller, reservoir: Reservoir) -> bool:
    poller._hand_over(poller._consumer.consume(poller._make_room(), 0.1))
    return reservoir.got == set(range(PARTITIONS))
