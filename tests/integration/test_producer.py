"""The producer against a real broker: what is on the topic, and what is said when it is not."""

from __future__ import annotations

import time
import uuid
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest
from confluent_kafka import Consumer, KafkaError, Message
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode

from doublegate.contract.connections import KafkaConnection
from doublegate.contract.headers import CORRELATION_ID, TRACEPARENT
from doublegate.local.model import Service
from doublegate.producer import Producer
from doublegate.producer_errors import Backpressure, EventTooLarge, InvalidEvent, NotSent, Undelivered
from doublegate.telemetry.spans import context_of
from doublegate.telemetry.tracing import Tracing

if TYPE_CHECKING:
    from collections.abc import Iterator

    from doublegate.local.model import Endpoints
    from doublegate.local.stack import Stack
    from tests.integration.conftest import TopicFactory

DEADLINE = 30.0
QUICK = {"topic.metadata.propagation.max.ms": 500}


@pytest.fixture
def kafka(endpoints: Endpoints) -> dict[str, Any]:
    return {"bootstrap.servers": str(endpoints.bootstrap_servers)}


@pytest.fixture
def producer(kafka: dict[str, Any]) -> Iterator[Producer]:
    with Producer({**kafka, **QUICK}, sample_ratio=0.0) as producer:
        yield producer


def read(kafka: dict[str, Any], topic: str, n: int) -> list[Message]:
    consumer = Consumer({**kafka, "group.id": uuid.uuid4().hex, "auto.offset.reset": "earliest"})
    consumer.subscribe([topic])
    found: list[Message] = []
    until = time.monotonic() + DEADLINE
    while len(found) < n and time.monotonic() < until:
        found.extend(message for message in consumer.consume(n, 0.5) if message.error() is None)
    consumer.close()
    assert len(found) == n
    return found


def murmur2(data: bytes) -> int:
    """As `org.apache.kafka.common.utils.Utils.murmur2`."""
    mask, m = 0xFFFFFFFF, 0x5BD1E995
    h = 0x9747B28C ^ len(data)
    whole = len(data) // 4 * 4
    for i in range(0, whole, 4):
        k = int.from_bytes(data[i : i + 4], "little") * m & mask
        h = h * m & mask ^ (k ^ k >> 24) * m & mask
    if tail := data[whole:]:
        h = (h ^ int.from_bytes(tail, "little")) * m & mask
    h = (h ^ h >> 13) * m & mask
    return h ^ h >> 15


def test_murmur2_as_java() -> None:
    assert murmur2(b"21") == -973932308 & 0xFFFFFFFF  # from Kafka's own UtilsTest


def test_headers_once_ids_kept_and_made(
    producer: Producer, kafka: dict[str, Any], topic_factory: TopicFactory
) -> None:
    topic = topic_factory()
    given = [
        producer.produce(topic, b"1", event_id="order-1"),
        producer.produce(
            topic, b"2", event_id="ä".encode(), key="k", headers=[("x", b"y"), (CORRELATION_ID, b"z")]
        ),
        producer.produce(topic, b"3", headers=[(CORRELATION_ID, b"from-header"), (TRACEPARENT, b"junk")]),
        producer.produce(topic, None, key=b"k"),
    ]
    producer.flush(DEADLINE)
    found = read(kafka, topic, 4)
    headers: list[Any] = [message.headers() for message in found]
    assert given[:3] == ["order-1", "ä", "from-header"]
    assert [dict(each)[CORRELATION_ID].decode() for each in headers] == given
    for each in headers:
        assert Counter(name for name, _ in each)[CORRELATION_ID] == 1
        assert Counter(name for name, _ in each)[TRACEPARENT] == 1
        context = context_of(each)
        assert context is not None
        assert not context.sampled
    assert ("x", b"y") in headers[1]
    assert [message.key() for message in found] == [b"order-1", b"k", b"from-header", b"k"]
    assert found[3].value() is None
    assert len(given[3]) == 32


def test_a_key_has_its_place_as_javas_clients_put_it(
    producer: Producer, kafka: dict[str, Any], topic_factory: TopicFactory
) -> None:
    topic = topic_factory(partitions=7)
    for i in range(50):
        producer.produce(topic, b"x", key=f"key-{i}")
        producer.produce(topic, b"x", event_id=f"id-{i}")
    producer.flush(DEADLINE)
    for message in read(kafka, topic, 100):
        key = message.key()
        assert isinstance(key, bytes)
        assert message.partition() == (murmur2(key) & 0x7FFFFFFF) % 7


@pytest.mark.parametrize("event_id", ["", b"", "x" * 256, "ä" * 128, b"\xc3\x28", "\ud800"])
def test_an_id_that_cannot_be_one_is_refused(producer: Producer, event_id: str | bytes) -> None:
    with pytest.raises(InvalidEvent, match="event id"):
        producer.produce("never", b"x", event_id=event_id)


def test_a_value_that_needs_an_encoder_says_so(producer: Producer) -> None:
    with pytest.raises(InvalidEvent, match="encoder"):
        producer.produce("never", {"a": 1})


def test_too_large_for_the_client(producer: Producer, topic_factory: TopicFactory) -> None:
    with pytest.raises(EventTooLarge, match=r"event big: .*2000000 bytes"):
        producer.produce(topic_factory(), b"x" * 2_000_000, event_id="big")
    producer.flush(DEADLINE)


def test_too_large_for_the_topic_is_said_by_flush_once(
    producer: Producer, topic_factory: TopicFactory
) -> None:
    topic = topic_factory(config={"max.message.bytes": "2048"})
    told: list[KafkaError | None] = []
    producer.produce(topic, b"x" * 10_000, event_id="big", on_delivery=lambda error, _: told.append(error))
    with pytest.raises(Undelivered, match="event big") as caught:
        producer.flush(DEADLINE)
    assert caught.value.n == 1
    assert isinstance(caught.value.first_error, EventTooLarge)
    assert caught.value.first_error.event_id == "big"
    assert [error is not None for error in told] == [True]
    producer.produce(topic, b"small")
    producer.flush(DEADLINE)


def test_a_topic_that_is_not_there(producer: Producer) -> None:
    def send() -> None:
        producer.produce("no-such-topic", b"x")
        producer.flush(DEADLINE)

    with pytest.raises((Undelivered, NotSent), match="no-such-topic"):
        send()


def test_a_callback_that_raises_harms_nobody(
    producer: Producer, topic_factory: TopicFactory, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(error: KafkaError | None, message: Message) -> None:
        raise RuntimeError("mine")

    producer.produce(topic_factory(), b"x", on_delivery=fail)
    producer.flush(DEADLINE)
    assert "on_delivery raised" in caplog.text


def test_a_broker_that_hangs_is_backpressure_and_then_delivery(
    stack: Stack, kafka: dict[str, Any], topic_factory: TopicFactory
) -> None:
    topic = topic_factory()
    connection = KafkaConnection(kafka["bootstrap.servers"])
    config = {**connection.client_config(), "queue.buffering.max.messages": 100}
    producer = Producer(config, max_wait=0.5)
    producer.produce(topic, b"x", event_id="first")
    producer.flush(DEADLINE)
    sent = ["first"]

    def send() -> None:
        for i in range(10_000):
            sent.append(producer.produce(topic, b"x", event_id=f"e{i}"))  # noqa: PERF401 - it raises

    stack.pause(Service.KAFKA)
    try:
        with pytest.raises(Backpressure, match="stayed full"):
            send()
        with pytest.raises(Undelivered, match="not acknowledged in time") as caught:
            producer.flush(0.2)
        assert caught.value.n == len(sent) - 1
        assert caught.value.first_error is None
    finally:
        stack.resume(Service.KAFKA)
    producer.flush(60)
    found: list[Any] = [
        dict(message.headers() or ())[CORRELATION_ID] for message in read(kafka, topic, len(sent))
    ]
    assert [event_id.decode() for event_id in found] == sent


def test_an_error_in_the_block_is_the_one_that_is_seen(
    stack: Stack, kafka: dict[str, Any], topic_factory: TopicFactory, caplog: pytest.LogCaptureFixture
) -> None:
    topic = topic_factory(config={"max.message.bytes": "2048"})

    def fail() -> None:
        with Producer(kafka) as producer:
            producer.produce(topic, b"x" * 10_000, event_id="lost-one")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert "event lost-one" in caplog.text


def test_sampled_events_have_send_spans_that_know_where_they_went(
    kafka: dict[str, Any], topic_factory: TopicFactory
) -> None:
    topic = topic_factory(config={"max.message.bytes": "2048"})
    exporter = InMemorySpanExporter()
    tracing = Tracing(service="shop", exporter=exporter)
    producer = Producer(kafka, sample_ratio=1.0, tracing=tracing)
    producer.produce(topic, b"x", event_id="good")
    producer.flush(DEADLINE)
    producer.produce(topic, b"x" * 10_000, event_id="big")
    with pytest.raises(Undelivered):
        producer.flush(DEADLINE)
    assert tracing.flush(5)
    good, big = exporter.get_finished_spans()
    (message,) = read(kafka, topic, 1)
    headers: Any = message.headers()
    context = context_of(headers)
    assert good.context is not None
    assert good.attributes is not None
    assert context is not None
    assert (context.trace_id, context.span_id) == (good.context.trace_id, good.context.span_id)
    assert good.attributes["messaging.kafka.offset"] == 0
    assert good.attributes["messaging.destination.partition.id"] == "0"
    assert big.status.status_code is StatusCode.ERROR
