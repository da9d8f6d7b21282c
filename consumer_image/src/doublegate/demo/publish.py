"""Produces the plan, as a process of its own: `python -m doublegate.demo.publish ORDER.json`.

Whole events go through `doublegate.Producer`; what no decent producer would send is handed to Kafka as it is.
"""

from __future__ import annotations

import json
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from confluent_kafka import Producer as RawProducer

from doublegate.contract.connections import KafkaConnection
from doublegate.contract.headers import CORRELATION_ID, TRACEPARENT
from doublegate.contract.resource import load_consumer
from doublegate.demo.errors import DemoError
from doublegate.demo.flights import Flight, read_flights
from doublegate.demo.lifeline import end_with_stdin
from doublegate.demo.plan import Body, Copy, Identity, Plan, Send, Shares, flights_needed, make_plan

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from doublegate.contract.headers import Headers
    from doublegate.producer import Producer

__all__ = ["Order", "Publisher", "plan_of"]

REPORT_EVERY = 1000
FLUSH_SECONDS = 60.0
GO_SECONDS = 0.05
NOT_A_TRACEPARENT = b"00-this-is-no-trace-context"
POISON = b"\xff these bytes carry no schema id"
FRAME_BYTES = 5
UNUSABLE_IDS: dict[Identity, Headers] = {
    Identity.MISSING: [],
    Identity.EMPTY: [(CORRELATION_ID, b"")],
    Identity.TOO_LONG: [(CORRELATION_ID, b"x" * 256)],
    Identity.NOT_UTF8: [(CORRELATION_ID, b"\xc3\x28")],
}


@dataclass(frozen=True)
class Order:
    """What the publisher is told, as JSON.

    Attributes:
        consumer: the resolved resource, for topic, brokers, registry and traces.
        schema: file with the Avro schema.
        progress: file that says how far it is.
        go: file whose appearance starts it; it prepares itself before.
        events: how many to send.
        seed: of the plan.
        shares: of the plan.
    """

    consumer: str
    schema: str
    progress: str
    go: str
    events: int
    seed: int
    shares: dict[str, float]

    def write(self, path: Path) -> None:
        """Write it as the publisher reads it."""
        path.write_text(json.dumps(asdict(self), indent=2))


def plan_of(events: int, seed: int, shares: Shares) -> tuple[list[Flight], Plan]:
    """The flights and what is sent of them; the same wherever it is asked."""
    flights = list(read_flights(flights_needed(events, shares)))
    return flights, make_plan([flight.id for flight in flights], events, shares, seed)


class Publisher:
    """Turns sends into records.

    Args:
        topic: where to.
        producer: of whole events.
        raw: of the others.
        encode: from a value to a framed payload.
    """

    def __init__(
        self, topic: str, producer: Producer, raw: RawProducer, encode: Callable[[dict[str, Any]], bytes]
    ) -> None:
        self._topic, self._producer, self._raw, self._encode = topic, producer, raw, encode

    def send(self, send: Send, flight: Flight) -> None:
        """Hand one record to Kafka's client."""
        if send.body is Body.GOOD and send.identity is Identity.USABLE and send.traceable:
            value = flight.value if send.copy is not Copy.CONFLICT else _altered(flight.value)
            self._producer.produce(self._topic, value, key=flight.aircraft, event_id=flight.id)
            return
        if not send.traceable:
            self._producer.flush(FLUSH_SECONDS)  # two producers: what was sent before is there before
        self._raw.produce(
            self._topic,
            value=self._payload(send, flight),
            key=flight.aircraft,
            headers=[*self._headers(send, flight)],
        )
        if not send.traceable:
            self._raw.flush(FLUSH_SECONDS)

    def flush(self) -> None:
        """Wait until the brokers have all of it.

        Raises:
            Undelivered: They have not.
        """
        self._producer.flush(FLUSH_SECONDS)
        if left := self._raw.flush(FLUSH_SECONDS):
            raise DemoError(f"{left} records were not acknowledged within {FLUSH_SECONDS:.0f} s")

    def _payload(self, send: Send, flight: Flight) -> bytes:
        if send.body is Body.POISON:
            return POISON
        whole = self._encode(flight.value)
        return whole if send.body is Body.GOOD else whole[: FRAME_BYTES + 2]

    @staticmethod
    def _headers(send: Send, flight: Flight) -> Headers:
        if send.identity is not Identity.USABLE:
            return UNUSABLE_IDS[send.identity]
        headers: Headers = [(CORRELATION_ID, flight.id.encode())]
        return headers if send.traceable else [*headers, (TRACEPARENT, NOT_A_TRACEPARENT)]


def _altered(value: dict[str, Any]) -> dict[str, Any]:
    return value | {"distance": value["distance"] + 1}


def publish(order: Order) -> None:
    """Send everything; the progress file tells how far it is."""
    from doublegate.producer import Producer  # noqa: PLC0415 - heavy, and the plan alone is imported elsewhere
    from doublegate.schemas.encoder import Encoder  # noqa: PLC0415
    from doublegate.schemas.registry import Registry  # noqa: PLC0415
    from doublegate.telemetry.tracing import Tracing  # noqa: PLC0415

    shares = Shares(**order.shares)
    spec = load_consumer(order.consumer).spec
    if spec.schema_ is None:
        raise DemoError(f"{order.consumer} has no schema section")
    flights, plan = plan_of(order.events, order.seed, shares)
    encoder = Encoder(
        Registry(spec.schema_.registry_url), spec.schema_subject or "", Path(order.schema).read_text()
    )
    tracing = Tracing(service="flights-producer", endpoint=spec.telemetry.otlp_endpoint)
    kafka = KafkaConnection.from_spec(spec.kafka)
    raw = RawProducer(
        {**kafka.client_config(), "acks": "all", "linger.ms": 5, "partitioner": "murmur2_random"}
    )
    while not Path(order.go).exists():
        time.sleep(GO_SECONDS)
    began = time.monotonic()
    with Producer(
        kafka, encoder=encoder, sample_ratio=spec.telemetry.sample_ratio, tracing=tracing
    ) as producer:
        publisher = Publisher(spec.kafka.topic, producer, raw, encoder)
        _send_all(publisher, plan.sends, flights, Path(order.progress), began)
    tracing.shutdown()
    _report(Path(order.progress), len(plan.sends), began, finished=True)


def _send_all(
    publisher: Publisher, sends: Sequence[Send], flights: Sequence[Flight], progress: Path, began: float
) -> None:
    for number, send in enumerate(sends):
        publisher.send(send, flights[send.flight])
        if number % REPORT_EVERY == 0:
            _report(progress, number, began, finished=False)
    publisher.flush()


def _report(progress: Path, sent: int, began: float, *, finished: bool) -> None:
    fresh = progress.with_suffix(".new")
    fresh.write_text(json.dumps({"sent": sent, "seconds": time.monotonic() - began, "finished": finished}))
    fresh.replace(progress)


def main() -> None:
    """Publish the order of the file that is the only argument."""
    end_with_stdin()
    publish(Order(**json.loads(Path(sys.argv[1]).read_text())))


if __name__ == "__main__":
    main()
