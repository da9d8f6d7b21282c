"""The status: every condition, and the figures."""

from __future__ import annotations

from collections.abc import Iterable

from doublegate.contract.consumer_status import ConsumerStatus
from doublegate.contract.states import PauseCause
from doublegate_operator.core.facts import KafkaFacts
from doublegate_operator.core.figures import filter_figures, ledger_figures, unknown_outcomes
from doublegate_operator.core.look import Look
from doublegate_operator.core.meta import selector
from doublegate_operator.core.objects import template_hash
from doublegate_operator.core.reasons import ConditionType, Reason
from doublegate_operator.core.status import Finding, conditions

__all__ = ["status_of"]

_STANDING = frozenset({PauseCause.LEDGER.value, PauseCause.BREAKER.value, PauseCause.DLQ.value})
"""Causes that a person should see; a full buffer and a rebalance are part of the work."""


def status_of(look: Look) -> ConsumerStatus:
    """The whole status of this look; nothing of the former one stays but what still holds."""
    consumer, observed, spec = look.consumer, look.observed, look.consumer.spec
    former, workload, pods = observed.status, observed.workload, observed.pods
    generation = consumer.metadata.generation or 0
    kafka = observed.kafka if isinstance(observed.kafka, KafkaFacts) else None
    dlq = kafka.dlq if kafka else None
    lag, ready = (kafka.lag if kafka else None), (workload.ready if workload else 0)
    figures = look.scaling.figures if look.scaling else (former.scaling if former else None)
    able = ready * ((figures.capacity_events_per_second if figures else None) or 0.0)
    partitions = look.topics.partitions or spec.kafka.partitions
    given = template_hash(look.workload) if look.workload and not look.held else None
    return ConsumerStatus(
        observed_generation=generation,
        conditions=conditions(_findings(look), former, generation, observed.now),
        replicas=workload.total if workload else 0,
        ready_replicas=ready,
        selector=",".join(f"{key}={value}" for key, value in selector(consumer.metadata.name).items()),
        lag=lag,
        drain_seconds=lag / able if lag is not None and able else None,
        dlq_open=dlq.open if dlq else None,
        dlq_oldest_seconds=dlq.oldest_seconds if dlq else None,
        unknown_outcomes=unknown_outcomes(pods),
        filter=filter_figures(spec, partitions, pods),
        ledger=ledger_figures(spec),
        scaling=figures,
        config_hash=given or (former.config_hash if former else None),
    )


def _findings(look: Look) -> dict[ConditionType, Finding]:
    ledger, topics = look.ledger.finding, look.topics.finding
    if look.warning is not None:
        ledger = Finding(ledger.status, ledger.reason, f"{ledger.message} {look.warning}")
    unseen = Finding("Unknown", topics.reason, "The number of partitions is not known yet.")
    scaling = look.scaling.finding if look.scaling else unseen
    parts = (topics, ledger, look.schema.finding, scaling)
    ready, reconciling, stalled = _summary(look, (*parts, look.rollout))
    return {
        ConditionType.READY: ready,
        ConditionType.RECONCILING: reconciling,
        ConditionType.STALLED: stalled,
        ConditionType.TOPICS_READY: topics,
        ConditionType.LEDGER_READY: ledger,
        ConditionType.SCHEMA_COMPATIBLE: look.schema.finding,
        ConditionType.SCALING_READY: scaling,
        ConditionType.PAUSED: _paused(look),
    }


def _summary(look: Look, parts: Iterable[Finding]) -> tuple[Finding, Finding, Finding]:
    """Ready, Reconciling and Stalled; the first part that is not in order gives the reason."""
    stuck = (
        look.halt
        or (look.topics.finding if look.topics.stuck else None)
        or (look.schema.finding if look.schema.unreadable else None)
    )
    if stuck is not None:
        return (
            Finding("False", stuck.reason, stuck.message),
            Finding("False", stuck.reason, "Waits for a person."),
            Finding("True", stuck.reason, stuck.message),
        )
    calm = Finding("False", Reason.AS_SPECIFIED, "Nothing waits for a person.")
    for part in parts:
        if part.status == "False":
            return (
                Finding("False", part.reason, part.message),
                Finding("True", part.reason, part.message),
                calm,
            )
    return look.rollout, Finding("False", look.rollout.reason, "Everything is as specified."), calm


def _paused(look: Look) -> Finding:
    if look.consumer.spec.paused:
        return Finding("True", Reason.PAUSED, "By spec.paused: pods stay in the group and start nothing.")
    causes = {str(cause) for pod in look.observed.pods for cause in (pod.status or {}).get("paused", ())}
    if standing := sorted(causes & _STANDING):
        text = f"Pods start nothing new by themselves, because of: {', '.join(standing)}."
        return Finding("True", Reason.PAUSED, text)
    return Finding("False", Reason.AS_SPECIFIED, "Events are worked on as they come.")
