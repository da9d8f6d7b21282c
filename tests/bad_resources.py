"""Resources that are refused, and the field that the refusal names: by the models and by the API server."""

from __future__ import annotations

from copy import deepcopy
from typing import Any, NamedTuple

Object = dict[str, Any]

API_VERSION = "doublegate.dev/v1alpha1"


class Bad(NamedTuple):
    """A change that makes a good resource bad.

    Attributes:
        name: of the case.
        change: sections on top of the good one's spec.
        field: that a message must name.
    """

    name: str
    change: Object
    field: str


def consumer(**spec: Any) -> Object:
    """A good IdempotentConsumer, with these sections on top."""
    good: Object = {
        "handler": {"python": "shop.payments:charge"},
        "kafka": {"bootstrapServers": "kafka:9092", "topic": "payments", "group": "payments"},
    }
    return {
        "apiVersion": API_VERSION,
        "kind": "IdempotentConsumer",
        "metadata": {"name": "payments"},
        "spec": _over(good, spec),
    }


def replay(**spec: Any) -> Object:
    """A good DeadLetterReplay, with these sections on top."""
    return {
        "apiVersion": API_VERSION,
        "kind": "DeadLetterReplay",
        "metadata": {"name": "again"},
        "spec": _over({"consumerRef": {"name": "payments"}}, spec),
    }


def _over(base: Object, over: Object) -> Object:
    made = deepcopy(base)
    for name, value in over.items():
        old = made.get(name)
        made[name] = _over(old, value) if isinstance(old, dict) and isinstance(value, dict) else value
    return made


_PER_PARTITION = {"claim": "PerPartition", "ttl": "5m"}

CONSUMERS = (
    Bad("two handlers", {"handler": {"http": {"url": "http://api:80/"}}}, "spec.handler"),
    Bad("backoffs", {"retries": {"initialBackoff": "10s", "maxBackoff": "5s"}}, "spec.retries.maxBackoff"),
    Bad("concurrency", {"flow": {"concurrency": {"min": 9, "max": 8}}}, "spec.flow.concurrency.max"),
    Bad("replicas", {"scaling": {"minReplicas": 5, "maxReplicas": 4}}, "spec.scaling.maxReplicas"),
    Bad(
        "an empty range",
        {"reprocess": {"id": "x", "ranges": [{"partition": 0, "fromOffset": 5, "toOffset": 5}]}},
        "spec.reprocess.ranges",
    ),
    Bad("in-sync", {"kafka": {"replicationFactor": 1}}, "spec.kafka.minInsyncReplicas"),
    Bad("the DLQ is the source", {"dlq": {"topic": "payments"}}, "spec.dlq.topic"),
    Bad("the usual DLQ is the source", {"kafka": {"topic": "payments.dlq"}}, "spec.dlq.topic"),
    Bad("the source is the replay topic", {"kafka": {"topic": "payments.replay"}}, "spec.kafka.topic"),
    Bad("the DLQ is the replay topic", {"dlq": {"topic": "payments.replay"}}, "spec.dlq.topic"),
    Bad("two identities", {"identity": {"header": "id", "cloudEvents": True}}, "spec.identity"),
    Bad(
        "ignored without conflicts",
        {"identity": {"conflictOn": "None", "conflictIgnore": ["at"]}},
        "spec.identity.conflictIgnore",
    ),
    Bad("bypass without an inbox", {"ledger": {"onUnavailable": "Bypass"}}, "spec.ledger.onUnavailable"),
    Bad(
        "grants and dead letters",
        {"ledger": {**_PER_PARTITION, "onUnknown": "DeadLetter"}},
        "spec.ledger.onUnknown",
    ),
    Bad("grants and a short window", {"ledger": {"claim": "PerPartition"}}, "spec.filter.window"),
    Bad(
        "grants and growth",
        {"ledger": _PER_PARTITION, "kafka": {"allowPartitionGrowth": True}},
        "spec.kafka.allowPartitionGrowth",
    ),
    Bad(
        "rows shorter than letters",
        {"inbox": {"secretRef": "postgres", "retention": "2h"}, "dlq": {"retention": "3h"}},
        "spec.inbox.retention",
    ),
    Bad("a timeout of days", {"handler": {"timeout": "1d"}}, "spec.handler.timeout"),
    Bad("a short timeout", {"handler": {"timeout": "1ms"}}, "spec.handler.timeout"),
    Bad("a long session", {"ledger": {"session": "46s"}}, "spec.ledger.session"),
    Bad("a bare number", {"ledger": {"ttl": "3600"}}, "spec.ledger.ttl"),
    Bad("few bytes", {"flow": {"maxBytes": "1Ki"}}, "spec.flow.maxBytes"),
    Bad("an unknown mode", {"mode": "Sometimes"}, "spec.mode"),
    Bad("a password in a URL", {"ledger": {"url": "redis://u:p@valkey:6379"}}, "spec.ledger.url"),
    Bad("no rate", {"filter": {"expectedRate": 0}}, "spec.filter.expectedRate"),
    Bad("no capacity", {"scaling": {"initialRate": 0}}, "spec.scaling.initialRate"),
    Bad("never a false positive", {"filter": {"falsePositiveRate": 0}}, "spec.filter.falsePositiveRate"),
    Bad("no partitions", {"kafka": {"partitions": 0}}, "spec.kafka.partitions"),
)

REPLAYS = (
    Bad(
        "no time between",
        {
            "selector": {
                "failedAfter": "2026-03-02T00:00:00Z",
                "failedBefore": "2026-03-01T00:00:00Z",
            }
        },
        "spec.selector.failedBefore",
    ),
    Bad("an unknown reason", {"selector": {"reasons": ["bored"]}}, "spec.selector.reasons"),
    Bad("no rate", {"rate": 0}, "spec.rate"),
    Bad("no events", {"maxEvents": 0}, "spec.maxEvents"),
)

# Once made they stay: (name, the good one, the change, the field).
UNCHANGEABLE = (
    Bad("topic", {"kafka": {"topic": "other"}}, "spec.kafka.topic"),
    Bad("group", {"kafka": {"group": "other"}}, "spec.kafka.group"),
    Bad("identity", {"identity": {"header": "other"}}, "spec.identity"),
    Bad("ledger", {"ledger": {"url": "redis://other:6379/0"}}, "spec.ledger.url"),
)
