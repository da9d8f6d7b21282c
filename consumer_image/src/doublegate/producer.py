"""`doublegate.Producer`: events that a double-gated consumer can trust.

Every event gets an id, a trace context and a stable partition, is written idempotently and acknowledged by
all in-sync replicas; what is not delivered is said, by `flush` at the latest.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Mapping
from functools import partial
from threading import Lock
from types import TracebackType
from typing import Any, Final, Literal, Self, TypeVar, Unpack, get_args

from confluent_kafka import KafkaError, KafkaException, Message
from confluent_kafka import Producer as KafkaProducer
from opentelemetry.trace import Span

from doublegate.consistency.token import UNKNOWN_OFFSET, Token
from doublegate.contract.connections import KafkaConnection
from doublegate.contract.headers import CORRELATION_ID, Headers
from doublegate.producer_errors import Backpressure, InvalidEvent, NotSent, Undelivered, refusal
from doublegate.producer_event import Delivery, EventParts, Outgoing, identity_of
from doublegate.producer_follow import Follower
from doublegate.producer_throttle import FlowState, Throttle
from doublegate.telemetry.quiet import calm
from doublegate.telemetry.sending import SendTraces, end_send
from doublegate.telemetry.tracing import Tracing

__all__ = ["Delivery", "Producer"]

log = logging.getLogger(__name__)
_client_log = logging.getLogger(f"{__name__}.kafka")

_Flow = Literal["follow", "observe", "off"]
_Problem = TypeVar("_Problem", bound=Exception)

_DEFAULTS: Final[dict[str, Any]] = {"linger.ms": 5, "delivery.timeout.ms": 120_000}
_FIXED: Final[dict[str, Any]] = {
    "enable.idempotence": True,
    "acks": "all",
    "partitioner": "murmur2_random",  # as Java's clients: a key has one place, whoever writes
}
_POLL_EVERY: Final = 128
"""Events between two looks at the delivery reports."""
_FULL_WAIT: Final = 0.1
_WAIT: Final = 0.1
"""Seconds between two looks while an event waits: its leave may come sooner than was said."""
_HURRY: Final = 5.0
_RECEIPT_WAIT: Final = 0.005
"""Another thread's poll may serve the report that this one waits for."""


class _Receipt:
    """What `write` is told; as long as it waits, `flush` has not to say it too."""

    def __init__(self) -> None:
        self.waiting = True
        self.error: KafkaError | None = None
        self.message: Message | None = None

    def __call__(self, error: KafkaError | None, message: Message) -> None:
        self.error, self.message = error, message


class Producer:
    """Produces events; safe to use from several threads.

    Args:
        kafka: the connection, or librdkafka's properties; idempotence, `acks=all` and partitioner are fixed.
        encoder: turns values that are not bytes into payloads (`doublegate.schemas.Encoder`).
        sample_ratio: share of new traces that are sampled; an event sent under a span follows that.
        tracing: records `send` spans; without it the flag is set all the same and nothing is recorded here.
        max_wait: seconds that `produce` waits for room in the local queue, and for the consumers.
        flow: "follow" keeps to what the topic's slowest group with `flow.producerSignal: true` bears;
            "observe" only knows it, for `flow_state`; "off" does not ask.
    """

    def __init__(
        self,
        kafka: KafkaConnection | Mapping[str, Any],
        *,
        encoder: Callable[[Any], bytes] | None = None,
        sample_ratio: float = 0.01,
        tracing: Tracing | None = None,
        max_wait: float = 30.0,
        flow: _Flow = "off",
    ) -> None:
        if flow not in get_args(_Flow):
            raise ValueError(f"flow: {flow!r} is none of {', '.join(get_args(_Flow))}")
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
        self._throttle = Throttle(enforce=flow == "follow")
        self._follower = Follower(config, self._throttle.told) if flow != "off" else None

    def produce(
        self,
        topic: str,
        value: Any,
        *,
        key: bytes | str | None = None,
        event_id: bytes | str | None = None,
        headers: Headers | None = None,
        on_delivery: Delivery | None = None,
        wait: bool = True,
    ) -> str:
        """Hand one event to the client; waits while its queue is full, or the topic's consumers are behind.

        Args:
            topic: where to.
            value: bytes as they are, None for a tombstone, anything else through the encoder.
            key: orders and places the event; the event id when absent, so that a second copy of an event
                meets the first in one partition.
            event_id: the `correlation_id`; the one in `headers`, or else a random one, when absent.
            headers: more of them. A `traceparent` among them is continued.
            on_delivery: told the outcome, besides `flush`.
            wait: False refuses at once instead of waiting.

        Returns:
            The event id.

        Raises:
            InvalidEvent: the id is empty, longer than 255 bytes or not UTF-8, or the value needs an encoder.
            Unencodable: the value does not fit its schema.
            NotSent: the client refuses it (`EventTooLarge`, an unknown topic).
            Backpressure: there was no room, or no leave, for `max_wait` seconds; it says when to try again.
        """
        event = self._outgoing(topic, value, key, event_id, headers, on_delivery)
        deadline = time.monotonic() + self._max_wait if wait else 0.0
        while (refused := self._offer(event)) is not None:
            if time.monotonic() >= deadline:
                raise self._given_up(event, refused)
            self._kafka.poll(min(refused.retry_after, _WAIT))
        return event.identity

    def write(
        self,
        topic: str,
        value: Any,
        *,
        key: bytes | str | None = None,
        event_id: bytes | str | None = None,
        headers: Headers | None = None,
        timeout: float = 30.0,
    ) -> Token:
        """`produce` one event and wait until all in-sync replicas have it.

        Args:
            topic: as `produce`, and so the next four.
            value: the payload.
            key: orders and places the event.
            event_id: the `correlation_id`.
            headers: more of them.
            timeout: seconds to wait for the brokers.

        Returns:
            The token with which a reader sees this write (`doublegate.consistency`).

        Raises:
            NotSent: refused, by the client or by the brokers; and whatever else `produce` raises.
            Undelivered: not acknowledged in time. It may still be written: try again with the same event id.
        """
        receipt = _Receipt()
        identity = self.produce(
            topic, value, key=key, event_id=event_id, headers=headers, on_delivery=receipt
        )
        deadline = time.monotonic() + timeout
        while (message := receipt.message) is None:
            if time.monotonic() >= deadline:
                receipt.waiting = False
                raise Undelivered(0, 1, None)
            self._kafka.poll(_RECEIPT_WAIT)
        if receipt.error is not None:
            raise _refusal(receipt.error, topic, identity, message.value())
        offset = message.offset()
        if offset is None or offset < 0:  # a broker that had the event already does not say where
            offset = UNKNOWN_OFFSET
        return Token(topic, message.partition() or 0, offset, identity)

    async def produce_async(self, topic: str, value: Any, **parts: Unpack[EventParts]) -> str:
        """As `produce`, for a coroutine: it waits without holding up the event loop."""
        event = self._outgoing(topic, value, **parts)
        deadline = time.monotonic() + self._max_wait
        while (refused := self._offer(event)) is not None:
            if time.monotonic() >= deadline:
                raise self._given_up(event, refused)
            try:
                await asyncio.sleep(min(refused.retry_after, _WAIT))
            except asyncio.CancelledError:
                self._given_up(event, refused)
                raise
        return event.identity

    def flow_state(self, topic: str) -> FlowState:
        """What the topic's consumers ask for; nothing is known of them with `flow="off"`."""
        return self._throttle.state(topic)

    def _outgoing(
        self,
        topic: str,
        value: Any,
        key: bytes | str | None = None,
        event_id: bytes | str | None = None,
        headers: Headers | None = None,
        on_delivery: Delivery | None = None,
    ) -> Outgoing:
        given = headers or []
        identity, raw = identity_of(event_id, given)
        payload = value if value is None or isinstance(value, bytes) else self._payload(value)
        rest = [header for header in given if header[0] != CORRELATION_ID] if given else given
        traced, span = self._traces.stamp(topic, identity, rest)
        report = partial(self._report, identity, on_delivery, span)
        wire: list[tuple[str, str | bytes | None]] = [(CORRELATION_ID, raw), *traced]
        admitted = self._follower is None
        return Outgoing(identity, topic, payload, raw if key is None else key, wire, report, span, admitted)

    def _offer(self, event: Outgoing) -> Backpressure | None:
        """Hand it over if there is leave and room now; else why not."""
        if not event.admitted:
            if wait := self._throttle.take(event.topic, again=event.tried):
                event.tried = True
                return self._refused(
                    f"the consumers of topic {event.topic} are behind and ask for fewer events; the event "
                    "was not sent",
                    wait,
                )
            event.admitted = True
        try:
            self._kafka.produce(
                event.topic, event.payload, event.key, headers=event.headers, on_delivery=event.report
            )
        except BufferError:
            return self._refused(
                f"the local queue of {len(self._kafka)} events stayed full: the brokers are away or slower "
                "than this caller; the event was not sent",
                _FULL_WAIT,
            )
        except KafkaException as error:
            problem = _refusal(error.args[0], event.topic, event.identity, event.payload)
            raise self._given_up(event, problem) from error
        self._until_poll -= 1
        if self._until_poll <= 0:
            self._until_poll = _POLL_EVERY
            self._kafka.poll(0)
        return None

    def _refused(self, message: str, retry_after: float) -> Backpressure:
        self._kafka.poll(0)  # reports make room, also for a caller that never waits
        return Backpressure(message, retry_after)

    @staticmethod
    def _given_up(event: Outgoing, problem: _Problem) -> _Problem:
        if event.span is not None:
            end_send(event.span, None, None, str(problem))
        return problem

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
            if not (isinstance(told, _Receipt) and told.waiting):
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
        """`flush`, and follow no more."""
        if self._follower is not None:
            self._follower.close()
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


def _refusal(error: KafkaError, topic: str, event_id: str, payload: Any) -> NotSent:
    return refusal(error, topic, event_id, None if payload is None else len(payload))
