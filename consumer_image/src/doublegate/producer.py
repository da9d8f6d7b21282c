"""`doublegate.Producer`: events that a double-gated consumer can trust.

Every event gets an id, a trace context and a stable partition, is written idempotently and acknowledged by
all in-sync replicas; what is not delivered is said, by `flush` at the latest.
"""

import logging
import os
import time
from collections.abc import Callable, Mapping
from functools import partial
from threading import Lock
from types import TracebackType
from typing import Any, Final, Self

from confluent_kafka import KafkaError, KafkaException, Message
from confluent_kafka import Producer as KafkaProducer
from opentelemetry.trace import Span

from doublegate.contract.connections import KafkaConnection
from doublegate.contract.headers import CORRELATION_ID, Headers
from doublegate.contract.identity import MAX_ID_BYTES
from doublegate.producer_errors import Backpressure, InvalidEvent, NotSent, Undelivered, refusal
from doublegate.telemetry.quiet import calm
from doublegate.telemetry.sending import SendTraces, end_send
from doublegate.telemetry.spans import first_header
from doublegate.telemetry.tracing import Tracing

__all__ = ["Delivery", "Producer"]

log = logging.getLogger(__name__)
_client_log = logging.getLogger(f"{__name__}.kafka")

_Wire = list[tuple[str, str | bytes | None]]

Delivery = Callable[[KafkaError | None, Message], None]
"""Told the outcome of one event, from within `produce`, `poll` or `flush`."""

_DEFAULTS: Final[dict[str, Any]] = {"linger.ms": 5, "delivery.timeout.ms": 120_000}
_FIXED: Final[dict[str, Any]] = {
    "enable.idempotence": True,
    "acks": "all",
    "partitioner": "murmur2_random",  # as Java's clients: a key has one place, whoever writes
}
_POLL_EVERY: Final = 128
"""Events between two looks at the delivery reports."""
_FULL_WAIT: Final = 0.1
_HURRY: Final = 5.0


class Producer:
    """Produces events; safe to use from several threads.

    Args:
        kafka: the connection, or librdkafka's properties; idempotence, `acks=all` and partitioner are fixed.
        encoder: turns values that are not bytes into payloads (`doublegate.schemas.Encoder`).
        sample_ratio: share of new traces that are sampled; an event sent under a span follows that.
        tracing: records `send` spans; without it the flag is set all the same and nothing is recorded here.
        max_wait: seconds that `produce` waits for room in the local queue.
    """

    def __init__(
        self,
        kafka: KafkaConnection | Mapping[str, Any],
        *,
        encoder: Callable[[Any], bytes] | None = None,
        sample_ratio: float = 0.01,
        tracing: Tracing | None = None,
        max_wait: float = 30.0,
    ) -> None:
        calm([_client_log.name])
        config = kafka.client_config() if isinstance(kafka, KafkaConnection) else kafka
        self._kafka = KafkaProducer({**_DEFAULTS, **config, **_FIXED}, logger=_client_log)
        self._encode = encoder
        self._traces = SendTraces(tracing, sample_ratio)
        self._max_wait = max_wait
        self._lock = Lock()
        self._failed = 0
        self._first: NotSent | None = None
        self._until_poll = _POLL_EVERY

    def produce(
        self,
        topic: str,
        value: Any,
        *,
        key: bytes | str | None = None,
        event_id: bytes | str | None = None,
        headers: Headers | None = None,
        on_delivery: Delivery | None = None,
    ) -> str:
        """Hand one event to the client; waits only while its queue is full.

        Args:
            topic: where to.
            value: bytes as they are, None for a tombstone, anything else through the encoder.
            key: orders and places the event; the event id when absent, so that a second copy of an event
                meets the first in one partition.
            event_id: the `correlation_id`; the one in `headers`, or else a random one, when absent.
            headers: more of them. A `traceparent` among them is continued.
            on_delivery: told the outcome, besides `flush`.

        Returns:
            The event id.

        Raises:
            InvalidEvent: the id is empty, longer than 255 bytes or not UTF-8, or the value needs an encoder.
            Unencodable: the value does not fit its schema.
            NotSent: the client refuses it (`EventTooLarge`, an unknown topic).
            Backpressure: the local queue was full for `max_wait` seconds.
        """
        given = headers or []
        identity, raw = _identity(event_id, given)
        payload = value if value is None or isinstance(value, bytes) else self._payload(value)
        rest = [header for header in given if header[0] != CORRELATION_ID] if given else given
        traced, span = self._traces.stamp(topic, identity, rest)
        report = partial(self._report, identity, on_delivery, span)
        try:
            self._send(topic, payload, raw if key is None else key, [(CORRELATION_ID, raw), *traced], report)
        except (KafkaException, Backpressure) as error:
            problem = (
                error
                if isinstance(error, Backpressure)
                else _refusal(error.args[0], topic, identity, payload)
            )
            if span is not None:
                end_send(span, None, None, str(problem))
            raise problem from error
        self._until_poll -= 1
        if self._until_poll <= 0:
            self._until_poll = _POLL_EVERY
            self._kafka.poll(0)
        return identity

    def _send(
        self, topic: str, payload: bytes | None, key: bytes | str, headers: _Wire, report: Delivery
    ) -> None:
        deadline = time.monotonic() + self._max_wait
        while True:
            try:
                self._kafka.produce(topic, payload, key, headers=headers, on_delivery=report)
            except BufferError:
                if time.monotonic() >= deadline:
                    raise Backpressure(
                        f"the local queue of {len(self._kafka)} events stayed full for {self._max_wait:g} s: "
                        "the brokers are away or slower than this caller; the event was not sent"
                    ) from None
                self._kafka.poll(_FULL_WAIT)
            else:
                return

    def _payload(self, value: Any) -> bytes:
        if self._encode is None:
            raise InvalidEvent(
                f"the value is a {type(value).__name__}, and this producer has no encoder; pass bytes, or "
                "give the producer a doublegate.schemas.Encoder"
            )
        return self._encode(value)

    def _report(
        self,
        event_id: str,
        told: Delivery | None,
        span: Span | None,
        error: KafkaError | None,
        message: Message,
    ) -> None:
        if error is not None:
            problem = _refusal(error, message.topic() or "", event_id, message.value())
            with self._lock:
                self._failed += 1
                self._first = self._first or problem
        if span is not None:
            end_send(span, message.partition(), message.offset(), "" if error is None else error.str())
        if told is not None:
            try:
                told(error, message)
            except Exception:
                log.exception("on_delivery raised")

    def poll(self, timeout: float = 0.0) -> None:
        """Serve delivery reports for at most `timeout` seconds; `produce` does so too."""
        self._kafka.poll(timeout)

    def flush(self, timeout: float = 30.0) -> None:
        """Wait until every event is acknowledged.

        Raises:
            Undelivered: some were refused since the last flush, or are not acknowledged in time.
        """
        waiting = self._kafka.flush(timeout)
        with self._lock:
            failed, first = self._failed, self._first
            self._failed, self._first = 0, None
        if failed or waiting:
            raise Undelivered(failed, waiting, first)

    def close(self, timeout: float = 30.0) -> None:
        """`flush`; nothing else is held."""
        self.flush(timeout)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            self.close()
            return
        try:
            self.close(_HURRY)
        except Undelivered as undelivered:
            log.error("%s", undelivered)  # noqa: TRY400 - the error under way is the one to see


def _identity(event_id: bytes | str | None, headers: Headers) -> tuple[str, bytes]:
    """The id as text and as it goes on the wire."""
    if event_id is None and (event_id := first_header(headers, CORRELATION_ID)) is None:
        # from the system, not from `random`: a fork or a seed must never make an id twice
        event_id = os.urandom(16).hex()
    try:
        text, raw = (
            (event_id, event_id.encode()) if isinstance(event_id, str) else (event_id.decode(), event_id)
        )
    except UnicodeError as error:
        raise InvalidEvent(f"event id {event_id!r} is not UTF-8: {error}") from error
    if not 0 < len(raw) <= MAX_ID_BYTES:
        raise InvalidEvent(
            f"event id {text[:64]!r} has {len(raw)} bytes; allowed: 1 to {MAX_ID_BYTES} of UTF-8"
        )
    return text, raw


def _refusal(error: KafkaError, topic: str, event_id: str, payload: Any) -> NotSent:
    return refusal(error, topic, event_id, None if payload is None else len(payload))
