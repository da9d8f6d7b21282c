"""What every part of Doublegate agrees on: the resource, the headers, the dead letter, units and names."""

from doublegate.contract.connections import (
    KafkaConnection,
    PostgresConnection,
    RedisConnection,
    RegistryConnection,
)
from doublegate.contract.deadletter import DeadLetter, DeadLetterReason, original_headers, replay_headers
from doublegate.contract.errors import (
    BrokenDeadLetter,
    DoublegateError,
    InvalidConsumer,
    InvalidReplay,
    InvalidResource,
    Problem,
    SecretUnavailable,
    Unsupported,
)
from doublegate.contract.headers import Headers
from doublegate.contract.identity import IdProblem, cloud_events_id, header_id, header_reader, payload_id
from doublegate.contract.resource import (
    ConsumerSpec,
    IdempotentConsumer,
    Metadata,
    Mode,
    load_consumer,
    parse_consumer,
)
from doublegate.contract.states import Decision, EntryState, Gate, PauseCause, UnknownCause
from doublegate.contract.support import refuse_unsupported
from doublegate.contract.units import ByteSize, Duration, Rate

__all__ = [
    "BrokenDeadLetter",
    "ByteSize",
    "ConsumerSpec",
    "DeadLetter",
    "DeadLetterReason",
    "Decision",
    "DoublegateError",
    "Duration",
    "EntryState",
    "Gate",
    "Headers",
    "IdProblem",
    "IdempotentConsumer",
    "InvalidConsumer",
    "InvalidReplay",
    "InvalidResource",
    "KafkaConnection",
    "Metadata",
    "Mode",
    "PauseCause",
    "PostgresConnection",
    "Problem",
    "Rate",
    "RedisConnection",
    "RegistryConnection",
    "SecretUnavailable",
    "UnknownCause",
    "Unsupported",
    "cloud_events_id",
    "header_id",
    "header_reader",
    "load_consumer",
    "original_headers",
    "parse_consumer",
    "payload_id",
    "refuse_unsupported",
    "replay_headers",
]
