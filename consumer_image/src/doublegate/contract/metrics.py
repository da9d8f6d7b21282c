"""The names of metrics and span attributes: one list for the runtime, the operator, dashboards and tests.

The metric names are Prometheus ones, and OTLP carries the same names.
"""

from typing import Final

__all__ = [
    "ATTEMPT",
    "CAPACITY",
    "CAUSE",
    "CONSUMED_MESSAGES",
    "DEAD_LETTERS",
    "DECISION",
    "DLQ_OLDEST_SECONDS",
    "DLQ_OPEN",
    "DRAIN_SECONDS",
    "EVENTS",
    "FILTER_FILL",
    "FILTER_FPR",
    "FILTER_WARM",
    "GATE",
    "HANDLER_SECONDS",
    "INFLIGHT",
    "LAG",
    "LATE_COMPLETIONS",
    "LEDGER_SECONDS",
    "LEDGER_SUSPECT",
    "PAUSED",
    "PROCESS_DURATION",
    "REASON",
    "RESERVOIR_BYTES",
    "TRACEPARENTS_BROKEN",
    "UNKNOWN_OUTCOMES",
]

# counters
EVENTS: Final = "doublegate_events_total"
"""Events decided, by `decision` and `gate`."""
UNKNOWN_OUTCOMES: Final = "doublegate_unknown_outcomes_total"
"""Attempts of which nobody can say whether the effect happened, by `cause`."""
LATE_COMPLETIONS: Final = "doublegate_late_completions_total"
"""DONE reports that came after the claim was somebody else's; accepted, because DONE is a fact."""
LEDGER_SUSPECT: Final = "doublegate_ledger_suspect_total"
"""Ids in doubt after the ledger lost data."""
DEAD_LETTERS: Final = "doublegate_dead_letters_total"
"""Dead letters acknowledged, by `reason`."""
TRACEPARENTS_BROKEN: Final = "doublegate_traceparents_broken_total"
"""`traceparent` headers that are not W3C trace context; their events are processed all the same."""

# gauges
FILTER_FILL: Final = "doublegate_filter_fill"
"""Share of the filter's capacity in use, the fullest partition's."""
FILTER_FPR: Final = "doublegate_filter_fpr"
"""False-positive rate, by `kind`: predicted from the fill, or observed."""
FILTER_WARM: Final = "doublegate_filter_warm"
"""Share of the assigned partitions whose filter is warm."""
INFLIGHT: Final = "doublegate_inflight"
"""Events dispatched and not yet acknowledged as DONE."""
RESERVOIR_BYTES: Final = "doublegate_reservoir_bytes"
"""Bytes of events that wait for a worker."""
DLQ_OPEN: Final = "doublegate_dlq_open"
"""Dead letters that no replay has finished."""
DLQ_OLDEST_SECONDS: Final = "doublegate_dlq_oldest_seconds"
"""Age of the oldest of them."""
LAG: Final = "doublegate_lag"
"""Records between the committed offsets and the log's end, over the assigned partitions."""
DRAIN_SECONDS: Final = "doublegate_drain_seconds"
"""Lag divided by the present rate."""
PAUSED: Final = "doublegate_paused"
"""1 while nothing new starts for this `cause`, else 0."""
CAPACITY: Final = "doublegate_capacity_events_per_second"
"""What this process can do: concurrency / latency while busy."""

# histograms
HANDLER_SECONDS: Final = "doublegate_handler_seconds"
"""One attempt of the handler."""
LEDGER_SECONDS: Final = "doublegate_ledger_seconds"
"""One exchange with the ledger."""

# OpenTelemetry's own
CONSUMED_MESSAGES: Final = "messaging.client.consumed.messages"
PROCESS_DURATION: Final = "messaging.process.duration"

# span attributes
DECISION: Final = "doublegate.decision"
GATE: Final = "doublegate.gate"
ATTEMPT: Final = "doublegate.attempt"
CAUSE: Final = "doublegate.unknown_cause"
REASON: Final = "doublegate.dead_letter_reason"
