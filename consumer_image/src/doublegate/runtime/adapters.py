"""The parts of a process that depend on what the resource asks for: handler, decoder, inbox, trace."""

from collections.abc import Callable

from doublegate.contract.connections import PostgresConnection, RegistryConnection
from doublegate.contract.consumer_spec import ConsumerSpec
from doublegate.contract.headers import TRACEPARENT
from doublegate.gate.inbox import Inbox
from doublegate.runtime.executors_inbox_pools import InboxPools
from doublegate.runtime.handler import Handler, Value, load_handler
from doublegate.runtime.http_handler import http_handler
from doublegate.runtime.keeper import Keeper
from doublegate.runtime.record import Record
from doublegate.runtime.unit import Decode
from doublegate.schemas import Registry, build_decoder
from doublegate.telemetry.tracing import ProcessSpan, Source, Tracing

__all__ = ["handler_and_decode", "inbox_keeper", "tracer"]


def tracer(tracing: Tracing) -> Callable[[Record], ProcessSpan | None]:
    """Starts the span of a sampled record; an unsampled one costs a look at its `traceparent`."""

    def trace(record: Record) -> ProcessSpan | None:
        for name, value in record.headers:
            if name == TRACEPARENT:
                if not tracing.sampled(value):
                    return None
                break
        else:
            return None
        partition = record.partition.name
        source = Source(
            partition.topic,
            partition.partition,
            record.offset,
            record.event_id.decode(errors="replace"),
            record.headers,
        )
        return tracing.start_process(source, attempt=record.attempt + 1)

    return trace


def handler_and_decode(spec: ConsumerSpec) -> tuple[Handler, Decode]:
    """The handler, and what turns payloads into what it takes."""
    registry = None
    if spec.schema_ is not None:
        connection = RegistryConnection.from_spec(spec.schema_)
        registry = Registry(connection.url, config=connection.client_config())
    if spec.handler.http is not None:
        handler = http_handler(spec.handler.http.url, decoded=registry is not None)
    else:
        handler = load_handler(spec.handler.python or "")
    target = {Value.RAW: bytes, Value.MODEL: handler.model, Value.RECORD: None}[handler.value]
    return handler, build_decoder(registry, target)


def inbox_keeper(spec: ConsumerSpec) -> Keeper | None:
    """The inbox, where the resource has one."""
    if spec.inbox is None:
        return None
    connection = PostgresConnection.from_spec(spec.inbox)
    pools = InboxPools(connection.conninfo, size=spec.flow.concurrency.max, timeout=spec.handler.timeout)
    return Keeper(Inbox(spec.kafka.group, spec.inbox.retention), pools)
