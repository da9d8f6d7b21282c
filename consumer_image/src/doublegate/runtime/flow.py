"""Tells producers every second how far behind this process is, by the control topic and the ledger's server.

On a thread of its own, with clients of its own: what fails here is logged once and tried again, and the work
goes on.
"""

import logging
import threading
import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Final

from confluent_kafka import KafkaError, KafkaException, Message, Producer, TopicCollection
from confluent_kafka.admin import AdminClient, NewTopic  # type: ignore[attr-defined]

from doublegate.contract.connections import KafkaConnection, RedisConnection
from doublegate.contract.consumer_spec import ConsumerSpec
from doublegate.contract.flow_capacity import CapacityMeter
from doublegate.contract.flow_signal import CONTROL_TOPIC, INTERVAL, LIFETIME, FlowSignal, flow_key
from doublegate.contract.states import PauseCause
from doublegate.gate.flow_signals import FlowSignals
from doublegate.gate.ledger_errors import LedgerError
from doublegate.telemetry.quiet import calm

__all__ = ["FlowPublisher", "ensure_control_topic"]

log = logging.getLogger(__name__)
_client_log = logging.getLogger(f"{__name__}.kafka")

_ABOVE_TARGET: Final = 2.0
"""Times scaling.targetDrain: more pods come first, and producers wait for what more pods can't do."""
_KAFKA_SECONDS: Final = 5.0
_REDIS_SECONDS: Final = 1.0
"""A server that hangs must not make the word on the topic expire."""
_TOPIC: Final = {
    # The last word of each process, and none for long: a reader wants those of the last seconds.
    "cleanup.policy": "compact,delete",
    "retention.ms": "3600000",
    "segment.ms": "600000",
    "delete.retention.ms": "600000",
}


class FlowPublisher:
    """The process's voice.

    Args:
        spec: the resource's.
        kafka: where the control topic is.
        redis: where the ledger is.
        member: this process, unique in its group.
        replication_factor: of the control topic, if it must be made.
        status: the facts as on `/status`.
    """

    def __init__(
        self,
        spec: ConsumerSpec,
        kafka: KafkaConnection,
        redis: RedisConnection,
        member: str,
        replication_factor: int,
        *,
        status: Callable[[], Mapping[str, Any]],
    ) -> None:
        calm([_client_log.name])
        self._spec = spec
        self._kafka = kafka
        self._redis = redis
        self._member = member
        self._replication_factor = replication_factor
        self._status = status
        self._target = _ABOVE_TARGET * spec.scaling.target_drain
        self._meter = CapacityMeter(self._target)
        self._producer: Producer | None = None
        self._signals: FlowSignals | None = None
        self._failing: set[str] = set()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="flow", daemon=True)

    def start(self) -> None:
        """Begin to tell."""
        self._thread.start()

    def stop(self, timeout: float) -> None:
        """Take back what was told, so that nobody waits for a process that is gone."""
        self._stopping.set()
        self._thread.join(timeout)

    def _run(self) -> None:
        while not self._stopping.wait(INTERVAL):
            try:
                signal = self._signal()
            except Exception as error:  # noqa: BLE001 - said once, not at every second
                self._outcome("the facts", error)
                continue
            self._outcome("the facts", None)
            self._try("the control topic", partial(self._to_kafka, signal))
            self._try("the ledger's server", partial(self._to_redis, signal))
        self._try("the control topic", self._leave_kafka)
        self._try("the ledger's server", self._leave_redis)

    def _signal(self) -> FlowSignal:
        facts, topic, now = self._status(), self._spec.kafka.topic, time.time()
        capacity = self._meter.read(
            facts["capacityEventsPerSecond"],
            facts["lag"],
            sum(event["count"] for event in facts["events"]),
            time.monotonic(),
            held_up=bool(set(facts["paused"]) - {PauseCause.RESERVOIR.value}),
        )
        return FlowSignal(
            topic=topic,
            group=self._spec.kafka.group,
            member=self._member,
            partitions=tuple(p["partition"] for p in facts["partitions"] if p["topic"] == topic),
            lag=facts["lag"],
            capacity=capacity,
            target=self._target,
            at=now,
            expires=now + LIFETIME,
        )

    def _to_kafka(self, signal: FlowSignal) -> None:
        if self._producer is None:
            ensure_control_topic(self._kafka, self._replication_factor)
            self._producer = Producer(
                self._kafka.client_config() | {"acks": 1, "delivery.timeout.ms": int(LIFETIME * 1000)},
                logger=_client_log,
            )
        self._producer.produce(CONTROL_TOPIC, signal.to_bytes(), signal.key, on_delivery=self._delivered)
        self._producer.poll(0)

    def _delivered(self, error: KafkaError | None, _: Message) -> None:
        self._outcome("the control topic", None if error is None else KafkaException(error))

    def _leave_kafka(self) -> None:
        if self._producer is not None:
            key = flow_key(self._spec.kafka.topic, self._spec.kafka.group, self._member)
            self._producer.produce(CONTROL_TOPIC, None, key, on_delivery=self._delivered)
            self._producer.flush(_KAFKA_SECONDS)

    def _to_redis(self, signal: FlowSignal) -> None:
        if self._signals is None:
            times = {"socket_timeout": _REDIS_SECONDS, "socket_connect_timeout": _REDIS_SECONDS}
            self._signals = FlowSignals.connect(
                self._redis.url, self._spec.kafka.group, **self._redis.kwargs, **times
            )
            self._signals.sweep()
        self._signals.write(signal)
        self._outcome("the ledger's server", None)

    def _leave_redis(self) -> None:
        if self._signals is not None:
            self._signals.erase(self._member)
            self._signals.close()

    def _try(self, where: str, step: Callable[[], None]) -> None:
        try:
            step()
        except (KafkaException, BufferError, TimeoutError, LedgerError) as error:
            self._outcome(where, error)

    def _outcome(self, where: str, error: Exception | None) -> None:
        if error is not None and where not in self._failing:
            self._failing.add(where)
            log.warning("flow: producers are not told by %s, which is tried again: %s", where, error)
        elif error is None and where in self._failing:
            self._failing.remove(where)
            log.info("flow: producers are told by %s again", where)


def ensure_control_topic(kafka: KafkaConnection, replication_factor: int) -> None:
    """Make the control topic where it is missing.

    Raises:
        KafkaException: the brokers do not answer, or refuse.
    """
    # closed here: freed in a librdkafka thread it would crash
    with AdminClient(kafka.client_config(), logger=_client_log) as admin:
        if _exists(admin):
            return
        topic = NewTopic(CONTROL_TOPIC, 1, replication_factor, config=_TOPIC)
        try:
            admin.create_topics([topic], request_timeout=_KAFKA_SECONDS)[CONTROL_TOPIC].result(_KAFKA_SECONDS)
        except KafkaException as error:
            if error.args[0].name() != "TOPIC_ALREADY_EXISTS":  # another member was quicker
                raise


def _exists(admin: AdminClient) -> bool:
    try:
        asked = admin.describe_topics(TopicCollection([CONTROL_TOPIC]), request_timeout=_KAFKA_SECONDS)
        asked[CONTROL_TOPIC].result(_KAFKA_SECONDS)
    except KafkaException as error:
        if error.args[0].name() == "UNKNOWN_TOPIC_OR_PART":
            return False
        raise
    return True
