"""The resource that the runtime's cases run under: the defaults, and more events in flight."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

from doublegate.contract.resource import IdempotentConsumer, parse_consumer
from tests.benchmarks.feed import PARTITIONS

if TYPE_CHECKING:
    from tests.benchmarks.job import Job

__all__ = ["INBOX_SECRET", "consumer_of"]

INBOX_SECRET = "inbox"
MAX_IN_FLIGHT = 20_000


def consumer_of(job: Job, **sections: Any) -> IdempotentConsumer:
    """The resource of one run, in a group of its own."""
    group = f"bench-{uuid.uuid4().hex[:12]}"
    spec: dict[str, Any] = {
        "handler": {"python": f"tests.benchmarks.handlers:{job.options['handler']}"},
        "kafka": {
            "bootstrapServers": job.bootstrap,
            "topic": job.topic,
            "group": group,
            "partitions": PARTITIONS,
            "replicationFactor": 1,
            "minInsyncReplicas": 1,
        },
        "filter": {"expectedRate": 15_000, "window": "10m", "falsePositiveRate": 0.001},
        "ledger": {"url": job.redis, "ttl": "1h"},
        "flow": {"maxInFlight": MAX_IN_FLIGHT},
    }
    if job.options.get("grants"):
        spec["ledger"] |= {"ttl": "10m", "claim": "PerPartition"}
    if job.otlp:
        spec["telemetry"] = {"otlpEndpoint": job.otlp}
    if job.options.get("typed"):
        spec["schema"] = {"registryUrl": job.registry}
    if job.options.get("inbox"):
        spec["inbox"] = {"secretRef": INBOX_SECRET}
    return parse_consumer(
        {
            "apiVersion": "doublegate.dev/v1alpha1",
            "kind": "IdempotentConsumer",
            "metadata": {"name": "bench"},
            "spec": spec | sections,
        }
    )
