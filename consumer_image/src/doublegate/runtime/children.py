"""Events that a handler produces: sent, and acknowledged before their parent is DONE."""

import threading
from collections.abc import Sequence

from confluent_kafka import KafkaError, Message

from doublegate.contract.connections import KafkaConnection
from doublegate.contract.headers import BAGGAGE, TRACEPARENT, TRACESTATE
from doublegate.producer import Producer
from doublegate.runtime.unit import Child
from doublegate.telemetry.tracing import Tracing

__all__ = ["ChildProducer", "ChildrenNotSent"]

_SECONDS = 30.0
_TRACE = {TRACEPARENT, TRACESTATE, BAGGAGE}


class ChildrenNotSent(Exception):
    """Some events were not acknowledged; the parent is tried again and sends the same ids."""


class ChildProducer:
    """Sends children and waits for the brokers; safe for many threads."""

    def __init__(self, kafka: KafkaConnection, tracing: Tracing) -> None:
        self._producer = Producer(kafka, tracing=tracing)

    def send(self, children: Sequence[Child]) -> None:
        """Send, and return when every one is acknowledged.

        Raises:
            ChildrenNotSent: names how many, and the first error.
        """
        lock = threading.Lock()
        settled = threading.Event()
        left = len(children)
        errors: list[str] = []

        def delivered(error: KafkaError | None, _: Message) -> None:
            nonlocal left
            with lock:
                left -= 1
                if error is not None:
                    errors.append(error.str())
                if not left:
                    settled.set()

        for child in children:
            headers = [header for header in child.parent.headers if header[0] in _TRACE]
            self._producer.produce(
                child.topic,
                child.value,
                key=child.key,
                event_id=child.id,
                headers=headers,
                on_delivery=delivered,
            )
        if not settled.wait(_SECONDS):
            raise ChildrenNotSent(f"{left} of {len(children)} events had no answer within {_SECONDS:.0f} s")
        if errors:
            raise ChildrenNotSent(f"{len(errors)} of {len(children)} events were refused: {errors[0]}")

    def close(self) -> None:
        """Flush and end."""
        self._producer.close()
