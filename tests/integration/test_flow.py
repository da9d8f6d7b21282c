"""Consumers slow producers down, on real servers: what is compared is rates of one run, never times."""

from __future__ import annotations

import asyncio
import re
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from confluent_kafka import Producer as RawProducer
from confluent_kafka.admin import AdminClient, ConfigResource, ResourceType

from doublegate.asgi import BackpressureMiddleware
from doublegate.contract.connections import KafkaConnection, RedisConnection
from doublegate.contract.flow_board import FlowBoard
from doublegate.contract.flow_signal import CONTROL_TOPIC, LIFETIME, FlowSignal
from doublegate.contract.resource import parse_consumer
from doublegate.gate.flow_signals import FlowSignals
from doublegate.producer import Producer
from doublegate.producer_errors import Backpressure
from doublegate.runtime.flow import FlowPublisher, ensure_control_topic
from tests.consumers import Group
from tests.helpers import eventually

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import redis

    from doublegate.local.model import Endpoints
    from tests.integration.conftest import TopicFactory

SIGNALS: dict[str, Any] = {"flow": {"producerSignal": True}, "scaling": {"targetDrain": "1s"}}
DEADLINE = 30.0
EXAMPLE = Path(__file__).parents[2] / "examples" / "backpressure"


@pytest.fixture
def kafka(endpoints: Endpoints) -> dict[str, Any]:
    ensure_control_topic(KafkaConnection(str(endpoints.bootstrap_servers)), 1)
    return {"bootstrap.servers": str(endpoints.bootstrap_servers)}


@pytest.fixture
def follower(kafka: dict[str, Any]) -> Iterator[Producer]:
    with Producer(kafka, flow="follow") as producer:
        yield producer


@pytest.fixture
def raw(kafka: dict[str, Any]) -> RawProducer:
    return RawProducer(kafka)


class Flood:
    """Writes as fast as it may."""

    def __init__(self, producer: Producer, topic: str, most: float = 500.0) -> None:
        self.sent = 0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(producer, topic, 1 / most))
        self._thread.start()

    def _run(self, producer: Producer, topic: str, pause: float) -> None:
        while not self._stop.is_set():
            producer.produce(topic, b"x")
            self.sent += 1
            time.sleep(pause)

    def stop(self) -> None:
        self._stop.set()
        self._thread.join()


def lasting(seconds: float) -> Callable[[Any, Any], None]:
    """A handler that takes so long."""
    return lambda _event, _context: time.sleep(seconds)


def signal(topic: str, **changes: Any) -> FlowSignal:
    now = time.time()
    given = {
        "topic": topic,
        "group": "g",
        "member": "m",
        "partitions": (0,),
        "lag": 1000,
        "capacity": 10.0,
        "target": 100.0,
        "at": now,
        "expires": now + LIFETIME,
    }
    return FlowSignal(**(given | changes))


def say(raw: RawProducer, producer: Producer, topic: str, **changes: Any) -> FlowSignal:
    """Say it until it is heard: a producer that has just begun to listen may miss a word."""

    def heard() -> FlowSignal | None:
        one = signal(topic, **changes)
        raw.produce(CONTROL_TOPIC, one.to_bytes(), one.key)
        raw.flush(DEADLINE)
        return one if rate_of(producer, topic) == one.rate else None

    found = eventually(heard, DEADLINE, 1.0)
    assert found is not None
    return found


def rate_of(producer: Producer, topic: str) -> float | None:
    said = producer.flow_state(topic).suggestion
    return None if said is None else said.rate


def test_a_slow_consumer_slows_the_producer_that_follows_and_no_other(
    group: Group, follower: Producer, kafka: dict[str, Any], topic_factory: TopicFactory
) -> None:
    def slow(event: Any, context: Any) -> None:
        time.sleep(0.1)
        group.effects.add(event.id)

    member = group.start(slow, **SIGNALS)
    free_topic = topic_factory()
    with Producer(kafka) as free:
        floods = [Flood(follower, group.topic), Flood(free, free_topic)]
        try:
            eventually(lambda: rate_of(follower, group.topic) is not None, DEADLINE)
            # Until it has come to its target: from then on it writes what is worked off.
            eventually(lambda: 0.5 < filled(follower, group.topic) < 1.5, 90)
            before, since = (floods[0].sent, floods[1].sent, len(group.effects)), time.monotonic()
            time.sleep(10)
            seconds = time.monotonic() - since
            after = (floods[0].sent, floods[1].sent, len(group.effects))
        finally:
            for flood in floods:
                flood.stop()
    followed, free_rate, worked = ((b - a) / seconds for a, b in zip(before, after, strict=True))
    assert 0.6 * worked < followed < 1.5 * worked, member.status()
    assert free_rate > 2 * followed, member.status()
    state = follower.flow_state(group.topic)
    assert state.over > 0
    assert state.suggestion is not None
    assert state.suggestion.group == group.name


def filled(producer: Producer, topic: str) -> float:
    """The drain as a share of the target of `SIGNALS`."""
    said = producer.flow_state(topic).suggestion
    return 0.0 if said is None else said.drain / 2.0


def test_when_the_slow_group_is_gone_the_producer_recovers(
    group: Group, endpoints: Endpoints, tmp_path: Path, follower: Producer
) -> None:
    other = Group(endpoints, group.topic, tmp_path)
    group.start(lasting(0), **SIGNALS)
    # It is stopped by SIGKILL: its last word must end by itself.
    slow = other.spawn("import time\n\n\ndef handle(event, context):\n    time.sleep(0.5)\n", **SIGNALS)
    flood = Flood(follower, group.topic)
    try:
        eventually(lambda: slowest(follower, group.topic) == other.name and flood.sent > 200, 60)
        eventually(lambda: rate_of(follower, group.topic) is not None, 60)
        assert slow.child is not None
        slow.child.kill()
        eventually(lambda: slowest(follower, group.topic) == group.name, 60)
        eventually(lambda: rate_of(follower, group.topic) is None, 60)
    finally:
        flood.stop()
        other.stop()


def slowest(producer: Producer, topic: str) -> str | None:
    said = producer.flow_state(topic).suggestion
    return None if said is None else said.group


def test_a_clean_stop_takes_the_word_back_everywhere(
    group: Group, follower: Producer, endpoints: Endpoints
) -> None:
    group.start(lasting(0), **SIGNALS)
    told = FlowSignals.connect(str(endpoints.redis_url), group.name)
    eventually(lambda: slowest(follower, group.topic) == group.name and told.read(), DEADLINE)
    stopped = time.monotonic()
    group.stop()
    # Sooner than it would expire: the last word was said before the stop.
    eventually(lambda: slowest(follower, group.topic) is None, DEADLINE)
    assert told.read() == []
    assert time.monotonic() - stopped < DEADLINE


def test_the_readers_of_redis_and_of_kafka_see_the_same(
    group: Group, follower: Producer, endpoints: Endpoints
) -> None:
    for _ in range(2):
        group.start(lasting(0.05), **SIGNALS)
    eventually(lambda: all(m.partitions for m in group.members), 60)
    group.send_many(2000)
    told, board = FlowSignals.connect(str(endpoints.redis_url), group.name), FlowBoard()

    def same() -> bool:
        for one in told.read():
            board.take(one, time.monotonic())
        in_redis = board.suggestions(time.monotonic()).get(group.topic)
        in_kafka = follower.flow_state(group.topic).suggestion
        return in_redis is not None and in_redis == in_kafka and in_redis.members == 2

    eventually(same, 60)
    told.close()


def test_broken_messages_harm_nobody(
    follower: Producer, raw: RawProducer, topic_factory: TopicFactory
) -> None:
    topic = topic_factory()
    good = say(raw, follower, topic)
    ignored = follower.flow_state(topic).ignored
    for key, value in [
        (b"", b"hello"),
        (b"k", b"[]"),
        (good.key, b"{"),
        (good.key, b"\xff" * 1000),
        (good.key, good.to_bytes().replace(b'"version":1', b'"version":9')),
        (b"another/key/x", good.to_bytes()),
        (good.key, signal(topic, lag=0).to_bytes().replace(b'"capacity":10.0', b'"capacity":0')),
    ]:
        raw.produce(CONTROL_TOPIC, value, key)
    raw.produce(CONTROL_TOPIC, None, b"nobody/said/this")
    raw.flush(DEADLINE)
    eventually(lambda: follower.flow_state(topic).ignored == ignored + 7, DEADLINE)
    assert rate_of(follower, topic) == good.rate
    say(raw, follower, topic, lag=1500)


def test_the_caller_chooses_to_be_refused_to_wait_or_to_await(
    kafka: dict[str, Any], raw: RawProducer, topic_factory: TopicFactory
) -> None:
    topic = topic_factory()
    with Producer(kafka, flow="follow", max_wait=0.5) as producer:
        say(raw, producer, topic, lag=1000, capacity=2.0, target=1000.0)  # 2.5 events/s
        producer.produce(topic, b"x", wait=False)
        with pytest.raises(Backpressure, match=f"consumers of topic {topic}") as caught:
            producer.produce(topic, b"x", wait=False)
        assert 0 < caught.value.retry_after <= 0.4
        producer.produce(topic, b"x")  # waits 0.4 s at most

        async def beats_while_it_waits() -> int:
            sending = asyncio.ensure_future(producer.produce_async(topic, b"x", event_id="awaited"))
            beats = 0
            while not sending.done():
                beats += 1
                await asyncio.sleep(0.01)
            assert await sending == "awaited"
            return beats

        assert asyncio.run(beats_while_it_waits()) > 3

        say(raw, producer, topic, lag=10_000, capacity=0.01, target=1.0)  # one in 2,000 s
        eventually(lambda: producer.flow_state(topic).retry_after > 10, DEADLINE)
        with pytest.raises(Backpressure):
            producer.produce(topic, b"x")
        with pytest.raises(Backpressure):
            asyncio.run(producer.produce_async(topic, b"x"))
        assert asyncio.run(status_at_the_edge(producer, topic)) == 429


async def status_at_the_edge(producer: Producer, topic: str) -> int:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 202, "headers": []})

    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    async def receive() -> Any:
        return {}

    await BackpressureMiddleware(app, producer=producer, topic=topic)({"type": "http"}, receive, send)
    status: int = sent[0]["status"]
    return status


def test_who_observes_knows_and_is_not_held_back(
    kafka: dict[str, Any], raw: RawProducer, topic_factory: TopicFactory
) -> None:
    topic = topic_factory()
    with Producer(kafka, flow="observe", max_wait=0.1) as producer:
        say(raw, producer, topic)
        for _ in range(500):
            producer.produce(topic, b"x")
        state = producer.flow_state(topic)
        assert state.over > 400
        assert state.retry_after == 0


def test_without_a_control_topic_events_pass_and_it_is_found_when_it_is_made(
    kafka: dict[str, Any], raw: RawProducer, topic_factory: TopicFactory, caplog: pytest.LogCaptureFixture
) -> None:
    topic = topic_factory()
    admin = AdminClient(kafka)
    admin.delete_topics([CONTROL_TOPIC])[CONTROL_TOPIC].result(DEADLINE)
    with Producer(kafka, flow="follow", max_wait=1.0) as producer:
        eventually(lambda: "can't be read" in caplog.text, DEADLINE)
        producer.produce(topic, b"x")
        ensure_control_topic(KafkaConnection(kafka["bootstrap.servers"]), 1)
        say(raw, producer, topic)
        [asked] = admin.describe_configs([ConfigResource(ResourceType.TOPIC, CONTROL_TOPIC)]).values()
        assert asked.result(DEADLINE)["cleanup.policy"].value == "compact,delete"
    assert caplog.text.count("can't be read") == 1


def test_what_dead_processes_left_in_redis_is_swept(endpoints: Endpoints, redis_client: redis.Redis) -> None:
    told = FlowSignals.connect(str(endpoints.redis_url), "swept")
    past = time.time() - 100
    told.write(signal("t", member="dead", at=past, expires=past + LIFETIME))
    told.write(signal("t", member="alive"))
    [key] = redis_client.keys()
    redis_client.hset(key, "broken", b"{")
    assert [one.member for one in told.read()] == ["alive"]
    told.sweep()
    assert redis_client.hkeys(key) == [b"alive"]
    assert 0 < redis_client.pttl(key) <= LIFETIME * 1000
    told.close()


def test_what_fails_is_said_once_and_the_rest_goes_on(
    kafka: dict[str, Any], follower: Producer, topic_factory: TopicFactory, caplog: pytest.LogCaptureFixture
) -> None:
    topic = topic_factory()
    kind = {"apiVersion": "doublegate.dev/v1alpha1", "kind": "IdempotentConsumer", "metadata": {"name": "t"}}
    section = {"bootstrapServers": kafka["bootstrap.servers"], "topic": topic, "group": "g"}
    spec = parse_consumer({**kind, "spec": {"handler": {"python": "a:b"}, "kafka": section}}).spec
    facts = {"capacityEventsPerSecond": 10.0, "lag": 600, "events": [], "paused": ["ledger"]}
    facts["partitions"] = [{"topic": topic, "partition": 0}, {"topic": "g.replay", "partition": 0}]
    broken = threading.Event()

    def status() -> dict[str, Any]:
        if broken.is_set():
            raise RuntimeError("changed size during iteration")
        return facts

    nowhere = RedisConnection("redis://127.0.0.1:1/0")
    publisher = FlowPublisher(spec, KafkaConnection.from_spec(spec.kafka), nowhere, "m", 1, status=status)
    publisher.start()
    try:
        eventually(lambda: rate_of(follower, topic) == 10.0, DEADLINE)  # the target is 60 s, as is the drain
        broken.set()
        eventually(lambda: "changed size" in caplog.text, DEADLINE)
        eventually(lambda: rate_of(follower, topic) is None, DEADLINE)
        broken.clear()
        eventually(lambda: rate_of(follower, topic) == 10.0, DEADLINE)
    finally:
        publisher.stop(DEADLINE)
    eventually(lambda: slowest(follower, topic) is None, DEADLINE)
    assert caplog.text.count("not told by the ledger's server") == 1
    assert caplog.text.count("not told by the facts") == 1


def test_the_example_runs(endpoints: Endpoints, tmp_path: Path) -> None:
    flood = [sys.executable, str(EXAMPLE / "flood.py"), str(endpoints.bootstrap_servers)]
    subprocess.run([*flood, "1"], check=True, timeout=60)
    resource = yaml.safe_load((EXAMPLE / "consumer.yaml").read_text())
    resource["spec"]["kafka"]["bootstrapServers"] = str(endpoints.bootstrap_servers)
    resource["spec"]["ledger"]["url"] = str(endpoints.redis_url)
    path = tmp_path / "orders.yaml"
    path.write_text(yaml.safe_dump(resource))
    run = [sys.executable, "-m", "doublegate.cli", "run", str(path), "--app-dir", str(EXAMPLE)]
    with (
        (tmp_path / "log").open("wb") as log,
        subprocess.Popen(
            [*run, "--http-host", "127.0.0.1", "--http-port", "0"], stdout=log, stderr=log
        ) as consumer,
    ):
        try:
            with subprocess.Popen([*flood, "150"], stdout=subprocess.PIPE, text=True) as writer:
                assert writer.stdout is not None
                heard = any(re.search(r"orders is \d+ behind", line) for line in writer.stdout)
                writer.terminate()
        finally:
            consumer.terminate()
    assert heard
