"""Header names on the wire (docs/protocol.md)."""

__all__ = [
    "BAGGAGE",
    "CE_ID",
    "CE_SOURCE",
    "CORRELATION_ID",
    "DLQ_ATTEMPT",
    "DLQ_ERROR",
    "DLQ_FAILED_AT",
    "DLQ_GROUP",
    "DLQ_HEADERS",
    "DLQ_OFFSET",
    "DLQ_PARTITION",
    "DLQ_REASON",
    "DLQ_TIMESTAMP",
    "DLQ_TOPIC",
    "REPLAY_ID",
    "REPROCESS",
    "TRACEPARENT",
    "TRACESTATE",
    "Headers",
]

Headers = list[tuple[str, bytes | None]]
"""A record's headers in their order; Kafka allows a name twice and a null value."""

CORRELATION_ID = "correlation_id"
"""The event id, 1..255 bytes of UTF-8."""

CE_SOURCE = "ce_source"
CE_ID = "ce_id"

TRACEPARENT = "traceparent"
TRACESTATE = "tracestate"
BAGGAGE = "baggage"

DLQ_REASON = "dg-dlq-reason"
DLQ_ERROR = "dg-dlq-error"
DLQ_ATTEMPT = "dg-dlq-attempt"
DLQ_TOPIC = "dg-dlq-topic"
DLQ_PARTITION = "dg-dlq-partition"
DLQ_OFFSET = "dg-dlq-offset"
DLQ_TIMESTAMP = "dg-dlq-timestamp"
DLQ_GROUP = "dg-dlq-group"
DLQ_FAILED_AT = "dg-dlq-failed-at"

DLQ_HEADERS = frozenset(
    {
        DLQ_REASON,
        DLQ_ERROR,
        DLQ_ATTEMPT,
        DLQ_TOPIC,
        DLQ_PARTITION,
        DLQ_OFFSET,
        DLQ_TIMESTAMP,
        DLQ_GROUP,
        DLQ_FAILED_AT,
    }
)
"""All that a dead letter adds. A sender's own header that merely starts alike is not ours to touch."""

REPLAY_ID = "dg-replay-id"
"""The replay that sent the record."""

REPROCESS = "dg-reprocess"
"""The order (`spec.reprocess.id`) that a dead letter's event ran under, and its replay runs under."""
