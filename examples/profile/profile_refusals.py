"""Follows the directory's dead letters, so that a person learns why an entry did not appear."""

import logging
import threading
import uuid
from collections.abc import Callable
from typing import Any

from confluent_kafka import Consumer, Message

from doublegate.consistency import Token
from doublegate.contract.deadletter import DeadLetter
from doublegate.contract.errors import BrokenDeadLetter
from doublegate.contract.headers import CORRELATION_ID

log = logging.getLogger(__name__)


class Refusals:
    """Tells of each new dead letter, from a thread of its own; every process of the service has one."""

    def __init__(self, kafka: dict[str, Any], topic: str, told: Callable[[Token, str], None]) -> None:
        config = {"group.id": f"profile-{uuid.uuid4().hex}", "enable.auto.commit": False}
        # The consumer may make the topic later, and a letter be in it before this process is assigned to it.
        # So all of it is read at each start: old letters are of writes that nobody here waits for.
        start = {"topic.metadata.refresh.interval.ms": 2000, "auto.offset.reset": "earliest"}
        self._consumer = Consumer({**kafka, **config, **start}, logger=log)
        self._consumer.subscribe([topic])
        self._told = told
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._follow, name="refusals", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End the thread."""
        self._stopping.set()
        self._thread.join()

    def _follow(self) -> None:
        while not self._stopping.is_set():
            message = self._consumer.poll(0.2)
            if message is not None and message.error() is None:
                self._tell(message)
        self._consumer.close()

    def _tell(self, message: Message) -> None:
        headers: Any = message.headers()
        try:
            letter = DeadLetter.from_headers(headers)
        except BrokenDeadLetter as error:
            log.warning("a dead letter without a readable reason: %s", error)
            return
        event_id = (dict(headers).get(CORRELATION_ID) or b"").decode()
        self._told(Token(letter.topic, letter.partition, letter.offset, event_id), letter.error)
