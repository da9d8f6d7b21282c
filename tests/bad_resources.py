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


GOOD = (
    {"handler": {"python": None, "http": {"url": "http://api:80/"}, "timeout": "1h"}},
    {"handler": {"timeout": "10ms"}, "flow": {"maxBytes": 1 << 20, "concurrency": {"min": 8, "max": 8}}},
    {"flow": {"maxBytes": "64Gi"}, "filter": {"window": "29d24h", "expectedRate": 1}},
    {"filter": {"window": "720h", "expectedRate": 0.001, "falsePositiveRate": 1e-6}},
    {"filter": {"window": "1d"}, "ledger": {"claim": "PerPartition", "ttl": "24h"}},
    {"inbox": {"secretRef": "postgres", "retention": "2d"}, "dlq": {"retention": "1d24h"}},
    {"ledger": {"onUnavailable": "Bypass", "ttl": "365d"}, "inbox": {"secretRef": "postgres"}},
    {"retries": {"initialBackoff": "1h", "maxBackoff": "1d"}, "scaling": {"targetDrain": "1d"}},
    {"retries": {"initialBackoff": "1ms", "maxBackoff": "1ms"}, "dlq": {"breaker": {"failureRatio": 1}}},
    {"scaling": {"mode": "Manual", "minReplicas": 0}, "telemetry": {"sampleRatio": 0}},
    {"schema": {"registryUrl": "http://registry:8080/apis/ccompat/v7"}, "paused": True},
    {
        "schema": {
            "registryUrl": "http://registry:8080",
            "reads": {
                "": {"required": True, "takes": ["object"], "closed": True},
                "order.items[].sku": {"required": False, "takes": ["string", "null"], "values": ["a"]},
                "labels{}": {"required": True, "takes": []},
            },
        }
    },
    {"reprocess": {"id": "x", "ranges": [{"partition": 0, "fromOffset": 5, "toOffset": 6}]}},
    {"pod": {"env": [{"name": "A", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}}]}},
)
"""Changes on top of the good consumer that leave it good: at the bounds."""

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
        "bypass with parked keys",
        {
            "ledger": {"onUnavailable": "Bypass"},
            "inbox": {"secretRef": "postgres"},
            "kafka": {"onFailure": "ParkKey"},
        },
        "spec.kafka.onFailure",
    ),
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
    Bad(
        "rows shorter than letters, in days",
        {"inbox": {"secretRef": "postgres", "retention": "1d12h"}, "dlq": {"retention": "2d"}},
        "spec.inbox.retention",
    ),
    Bad(
        "grants and a window short of days",
        {"ledger": {"claim": "PerPartition", "ttl": "1d1s"}, "filter": {"window": "24h"}},
        "spec.filter.window",
    ),
    Bad("a long window", {"filter": {"window": "31d"}}, "spec.filter.window"),
    Bad("a window a bit too long", {"filter": {"window": "30d1s"}}, "spec.filter.window"),
    Bad("a window of many hours", {"filter": {"window": "721h"}}, "spec.filter.window"),
    Bad("a window of no days", {"filter": {"window": "0d"}}, "spec.filter.window"),
    Bad("a window of all times", {"filter": {"window": "99999999999999999999999d"}}, "spec.filter.window"),
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


def _reading(amount: Object) -> Object:
    return {"schema": {"registryUrl": "http://registry:8080", "reads": {"amount": amount}}}


SHAPES = (
    Bad(
        "a kind that is none",
        _reading({"required": True, "takes": ["money"]}),
        "spec.schema.reads.amount.takes",
    ),
    Bad("a field without kinds", _reading({"required": True}), "spec.schema.reads.amount.takes"),
    Bad(
        "a field that is always there",
        _reading({"required": "yes", "takes": []}),
        "spec.schema.reads.amount.required",
    ),
    Bad(
        "a field with more",
        _reading({"required": True, "takes": [], "type": "int"}),
        "spec.schema.reads.amount.type",
    ),
)
"""Consumers that need no rule to be refused: the types do."""

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
    Bad(
        "a time without zone",
        {"selector": {"failedAfter": "2026-03-01T00:00:00"}},
        "spec.selector.failedAfter",
    ),
    Bad("a day", {"selector": {"failedAfter": "2026-03-01"}}, "spec.selector.failedAfter"),
    Bad("seconds since 1970", {"selector": {"failedAfter": 1772323200}}, "spec.selector.failedAfter"),
    Bad("a text of seconds", {"selector": {"failedAfter": "1772323200"}}, "spec.selector.failedAfter"),
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
