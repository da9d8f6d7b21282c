"""What the resource means for the clients: pure functions of the spec."""

from doublegate.contract.connections import KafkaConnection
from doublegate.contract.consumer_spec import ConsumerSpec
from doublegate.contract.resource import GroupProtocol
from doublegate.gate.ledger_types import LedgerSettings
from doublegate.runtime.topics import Topic

__all__ = ["client_config", "drain_seconds", "lane_count", "ledger_settings"]

_MAX_POLL_SECONDS = 300.0
_DRAIN_SHARE = 0.1
"""Of max.poll.interval.ms: effects may take so long to end at a revocation."""
_LANES_PER_PLACE = 4
"""Lanes for each event that may be with a worker: few keys then wait for a stranger's."""


def ledger_settings(spec: ConsumerSpec, source: Topic, dlq: Topic) -> LedgerSettings:
    """Lifetimes: CLAIMED outlives source and DLQ, FAILED lives as long as its dead letter."""
    dlq_retention = max(spec.dlq.retention, dlq.retention)
    return LedgerSettings(
        session=spec.ledger.session,
        claim_ttl=source.retention + dlq_retention,
        done_ttl=spec.ledger.ttl,
        failed_ttl=dlq_retention,
        crashes=spec.retries.crashes,
        min_replicas_acked=spec.ledger.min_replicas_acked,
    )


def client_config(spec: ConsumerSpec, kafka: KafkaConnection, instance: str) -> dict[str, object]:
    """The Kafka consumer's configuration, secrets in clear."""
    config: dict[str, object] = {
        **kafka.client_config(),
        "group.id": spec.kafka.group,
        "client.id": instance,
        "max.poll.interval.ms": int(_MAX_POLL_SECONDS * 1000),
    }
    if spec.kafka.group_protocol is GroupProtocol.CONSUMER:
        return config | {"group.protocol": "consumer"}
    session = int(spec.kafka_session * 1000)
    return config | {
        "partition.assignment.strategy": "cooperative-sticky",
        "session.timeout.ms": session,
        "heartbeat.interval.ms": session // 4,
    }


def lane_count(spec: ConsumerSpec) -> int:
    """How many lanes keep order."""
    return spec.flow.concurrency.max * _LANES_PER_PLACE


def drain_seconds(spec: ConsumerSpec) -> float:
    """How long started effects may take to end at a revocation."""
    return max(spec.handler.timeout + 1.0, _MAX_POLL_SECONDS * _DRAIN_SHARE)
