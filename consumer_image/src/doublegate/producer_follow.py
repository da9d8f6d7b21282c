"""Reads the consumers' signals from the control topic, for a producer that follows or observes them.

On a thread of its own. Where the topic can't be read, signals run out, and the producer is as free as
without any: a lost control topic must not stop the business.
"""

import logging
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any, Final

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from doublegate.contract.flow_board import FlowBoard, Suggestion
from doublegate.contract.flow_signal import CONTROL_TOPIC, LIFETIME, read_signal
from doublegate.telemetry.quiet import calm

__all__ = ["Follower"]

log = logging.getLogger(__name__)
_client_log = logging.getLogger(f"{__name__}.kafka")

_TICK: Final = 0.5
_BATCH: Final = 1000
_CALL_SECONDS: Final = 5.0
_OURS: Final[dict[str, Any]] = {
    "group.id": CONTROL_TOPIC,  # librdkafka wants one; no group is joined and nothing is committed
    "enable.auto.commit": False,
    "auto.offset.reset": "latest",
    "log_level": 3,  # it would warn of every property that is a producer's
}


class Follower:
    """Tells what the control topic says.

    Args:
        config: librdkafka's properties of the producer.
        told: called on this thread, at least every few ticks, with what holds for each topic and with how
            many records were no signals.
    """

    def __init__(
        self, config: Mapping[str, Any], told: Callable[[Mapping[str, Suggestion], int], None]
    ) -> None:
        calm([_client_log.name])
        self._told = told
        self._board = FlowBoard()
        self._ignored = 0
        self._failing = False
        self._reading = False
        self._stopping = threading.Event()
        self._consumer = Consumer(
            {name: value for name, value in config.items() if name != "on_delivery"} | _OURS,
            logger=_client_log,
        )
        self._thread = threading.Thread(target=self._run, name="flow-follower", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End the thread."""
        self._stopping.set()
        self._thread.join()

    def _run(self) -> None:
        try:
            while not self._stopping.is_set():
                try:
                    self._read()
                    self._failing = False
                except KafkaException as error:
                    self._failed(error)
                    self._stopping.wait(_TICK)
                self._told(self._board.suggestions(time.monotonic()), self._ignored)
        finally:
            self._consumer.close()

    def _read(self) -> None:
        if not self._reading:
            self._consumer.assign(_recent(self._consumer))
            self._reading = True
        for message in self._consumer.consume(_BATCH, _TICK):
            if (error := message.error()) is None:
                self._take(message)
            elif error.code() != KafkaError._PARTITION_EOF:  # noqa: SLF001 - its name
                raise KafkaException(error)

    def _take(self, message: Message) -> None:
        key: Any = message.key()
        value: Any = message.value()
        signal = read_signal(value)
        if signal is not None and signal.key == key:
            self._board.take(signal, time.monotonic())
        elif value is None and key is not None:
            self._board.forget(key)
        else:
            self._ignored += 1

    def _failed(self, error: KafkaException) -> None:
        # Once: it may be away for long, and what it says does not change.
        if not self._failing:
            log.warning(
                "flow: the signals on topic %s can't be read, events are sent unthrottled until they can: %s",
                CONTROL_TOPIC,
                error.args[0].str(),
            )
        self._failing = True
        self._reading = False


def _recent(consumer: Consumer) -> list[TopicPartition]:
    """The control topic's partitions, from the signals that still count.

    Raises:
        KafkaException: it is not there, or the brokers do not answer.
    """
    topic = consumer.list_topics(CONTROL_TOPIC, _CALL_SECONDS).topics[CONTROL_TOPIC]
    if topic.error is not None:
        raise KafkaException(topic.error)
    since = int((time.time() - LIFETIME) * 1000)
    partitions = [TopicPartition(CONTROL_TOPIC, partition, since) for partition in topic.partitions]
    found = consumer.offsets_for_times(partitions, _CALL_SECONDS)
    for partition in found:
        if partition.error is not None:
            raise KafkaException(partition.error)
    return found
