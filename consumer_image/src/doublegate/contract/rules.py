"""Rules between fields of the resource; the operator writes the same ones as CEL."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from doublegate.contract.errors import Problem
from doublegate.contract.gate_spec import ClaimMode, ConflictOn, OnUnavailable, OnUnknown
from doublegate.contract.kafka_spec import OnFailure
from doublegate.contract.units import format_duration

if TYPE_CHECKING:
    from doublegate.contract.resource import ConsumerSpec

__all__ = ["broken_rules"]


def broken_rules(spec: "ConsumerSpec") -> list[Problem]:
    """Every rule that the spec breaks, with the field to change, what it is and what is allowed."""
    return [Problem(path, f"given {given}; allowed: {allowed}") for path, given, allowed in _broken(spec)]


def _broken(spec: "ConsumerSpec") -> Iterator[tuple[str, object, str]]:
    yield from _work(spec)
    yield from _kafka(spec)
    yield from _gates(spec)


def _work(spec: "ConsumerSpec") -> Iterator[tuple[str, object, str]]:
    handler, retries, flow, scaling = spec.handler, spec.retries, spec.flow.concurrency, spec.scaling
    if (handler.python is None) == (handler.http is None):
        given = "neither" if handler.python is None else "both"
        yield "spec.handler", given, "exactly one of python and http"
    if retries.max_backoff < retries.initial_backoff:
        least = format_duration(retries.initial_backoff)
        yield (
            "spec.retries.maxBackoff",
            format_duration(retries.max_backoff),
            f"at least initialBackoff ({least})",
        )
    if flow.max < flow.min:
        yield "spec.flow.concurrency.max", flow.max, f"at least min ({flow.min})"
    if scaling.max_replicas < scaling.min_replicas:
        yield (
            "spec.scaling.maxReplicas",
            scaling.max_replicas,
            f"at least minReplicas ({scaling.min_replicas})",
        )
    for index, span in enumerate(spec.reprocess.ranges if spec.reprocess else ()):
        if span.to_offset <= span.from_offset:
            path = f"spec.reprocess.ranges[{index}].toOffset"
            yield path, span.to_offset, f"more than fromOffset ({span.from_offset})"


def _kafka(spec: "ConsumerSpec") -> Iterator[tuple[str, object, str]]:
    kafka = spec.kafka
    if kafka.min_insync_replicas > kafka.replication_factor:
        most = f"at most replicationFactor ({kafka.replication_factor})"
        yield "spec.kafka.minInsyncReplicas", kafka.min_insync_replicas, most
    if spec.dlq_topic == kafka.topic:
        yield (
            "spec.dlq.topic",
            kafka.topic,
            "another topic than the source (kafka.topic), or it would feed itself",
        )
    if spec.replay_topic in {kafka.topic, spec.dlq_topic}:
        path = "spec.kafka.topic" if spec.replay_topic == kafka.topic else "spec.dlq.topic"
        yield path, spec.replay_topic, "another topic than <group>.replay, which carries this group's replays"


def _gates(spec: "ConsumerSpec") -> Iterator[tuple[str, object, str]]:
    identity, ledger, window = spec.identity, spec.ledger, spec.filter.window
    sources = {
        "header": identity.header,
        "cloudEvents": identity.cloud_events,
        "payloadField": identity.payload_field,
    }
    given = [name for name, value in sources.items() if value]
    if len(given) > 1:
        yield "spec.identity", " and ".join(given), "exactly one of header, cloudEvents and payloadField"
    if identity.conflict_ignore and identity.conflict_on is ConflictOn.NONE:
        yield (
            "spec.identity.conflictIgnore",
            "a list",
            "nothing with conflictOn None, which compares no payload",
        )
    if ledger.on_unavailable is OnUnavailable.BYPASS and spec.inbox is None:
        yield (
            "spec.ledger.onUnavailable",
            "Bypass",
            "Block, or Bypass with an inbox that keeps effects single",
        )
    if ledger.on_unavailable is OnUnavailable.BYPASS and spec.kafka.on_failure is OnFailure.PARK_KEY:
        yield "spec.kafka.onFailure", "ParkKey", "Continue with onUnavailable Bypass: lines are the ledger's"
    if ledger.claim is ClaimMode.PER_PARTITION:
        if ledger.on_unknown is not OnUnknown.RETRY:
            yield "spec.ledger.onUnknown", ledger.on_unknown, "Retry with claim PerPartition"
        if window < ledger.ttl:
            least = f"at least ledger.ttl ({format_duration(ledger.ttl)}) with claim PerPartition"
            yield "spec.filter.window", format_duration(window), least
        if spec.kafka.allow_partition_growth:
            allowed = "false with claim PerPartition, whose ids must stay in their partition"
            yield "spec.kafka.allowPartitionGrowth", "true", allowed
    if spec.inbox is not None and spec.inbox.retention < spec.dlq.retention:
        least = f"at least dlq.retention ({format_duration(spec.dlq.retention)}), or a replay could run twice"
        yield "spec.inbox.retention", format_duration(spec.inbox.retention), least
