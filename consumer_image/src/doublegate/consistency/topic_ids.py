"""Topic names to uuids: a token has the name, the stores know the uuid, which ends with the topic."""

import logging
import time
from collections.abc import Callable, Mapping
from threading import Lock
from typing import Any, Final

from confluent_kafka import KafkaException, TopicCollection
from confluent_kafka.admin import AdminClient

from doublegate.consistency.positions import STORE_SECONDS
from doublegate.contract.connections import KafkaConnection
from doublegate.contract.wire_bytes import uuid_bytes
from doublegate.telemetry.quiet import calm

__all__ = ["TopicIds"]

log = logging.getLogger(__name__)

_FRESH_SECONDS: Final = 60.0
"""A topic that was made anew is known so soon."""
_RETRY_SECONDS: Final = 5.0


class TopicIds:
    """What the brokers call the topics, remembered for a minute; thread-safe.

    Args:
        kafka: the connection, or librdkafka's properties.
        clock: monotonic seconds; a test's own.
    """

    def __init__(
        self, kafka: KafkaConnection | Mapping[str, Any], clock: Callable[[], float] = time.monotonic
    ) -> None:
        calm([__name__])
        self._config = dict(kafka.client_config() if isinstance(kafka, KafkaConnection) else kafka)
        self._clock = clock
        self._lock = Lock()
        self._known: dict[str, tuple[bytes | None, float]] = {}

    def __call__(self, topic: str) -> bytes | None:
        """The topic's uuid, 16 bytes; None where it does not exist or the brokers do not answer.

        Without it positions below the watermark count as pending, which costs a read of the primary.
        """
        with self._lock:
            uuid, until = self._known.get(topic, (None, 0.0))
            if self._clock() >= until:
                uuid = self._ask(topic)
                seconds = _RETRY_SECONDS if uuid is None else _FRESH_SECONDS
                self._known[topic] = (uuid, self._clock() + seconds)
            return uuid

    def _ask(self, topic: str) -> bytes | None:
        try:
            with AdminClient(self._config, logger=log) as admin:
                futures = admin.describe_topics(TopicCollection([topic]), request_timeout=STORE_SECONDS)
                uuid = futures[topic].result(2 * STORE_SECONDS).topic_id
        except (KafkaException, TimeoutError) as error:
            log.warning("topic %s: its uuid is not known: %s; is it there, are the brokers up?", topic, error)
            return None
        return uuid_bytes(uuid)
