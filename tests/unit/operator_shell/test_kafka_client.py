"""The client of Kafka: it ends when its look ends, and not when Python happens to collect garbage."""

from __future__ import annotations

from concurrent.futures import Future
from typing import TYPE_CHECKING, Any

import pytest
from confluent_kafka import KafkaError, KafkaException

from doublegate.contract.resource import parse_consumer
from doublegate_operator.shell.kafka_client import KafkaClient
from tests.unit.operator_shell.fakes import resource

if TYPE_CHECKING:
    from pathlib import Path


def failed() -> Future[Any]:
    future: Future[Any] = Future()
    future.set_exception(KafkaException(KafkaError(KafkaError.UNKNOWN_TOPIC_OR_PART)))
    return future


def asked(client: KafkaClient) -> None:
    with client, pytest.raises(KafkaException):
        client.answer(failed())


def waiting(client: KafkaClient) -> None:
    """With a question that nobody answers, as while Kafka is frozen."""
    with client:
        client.admin.describe_cluster(request_timeout=10)


@pytest.mark.parametrize("look", [asked, waiting])
def test_it_is_closed_with_its_look(tmp_path: Path, look: Any) -> None:
    """A client that garbage collection closes in a thread of librdkafka's ends the whole process."""
    client = KafkaClient(parse_consumer(resource()), tmp_path)
    look(client)
    with pytest.raises(RuntimeError, match="closed"):
        client.admin.describe_cluster()
