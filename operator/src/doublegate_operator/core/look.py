"""All parts of one look at a resource, before they are summed up."""

from __future__ import annotations

from dataclasses import dataclass

from doublegate.contract.resource import IdempotentConsumer
from doublegate_operator.core.bindings import LedgerPlan, plan_ledger
from doublegate_operator.core.config import secret_refs
from doublegate_operator.core.facts import Failure, KafkaFacts, Observed
from doublegate_operator.core.objects import template_hash, workload_objects
from doublegate_operator.core.reasons import Reason
from doublegate_operator.core.rollout import rollout
from doublegate_operator.core.scaling import ScalingPlan, plan_scaling
from doublegate_operator.core.schema import SchemaPlan, plan_schema
from doublegate_operator.core.settings import OperatorSettings
from doublegate_operator.core.sizing import ttl_warning, unfit
from doublegate_operator.core.status import Finding
from doublegate_operator.core.topics import TopicsPlan, plan_topics
from doublegate_operator.core.wanted import Object

__all__ = ["Look", "look_at"]


@dataclass(frozen=True, slots=True)
class Look:
    """What each part says.

    Attributes:
        consumer: the resource.
        observed: the facts.
        topics: of the topics.
        ledger: of the group's binding.
        schema: of the subject.
        scaling: of the number of pods; None while the number of partitions is not known.
        halt: why nothing may be touched; None when there is no reason.
        held: the pods as they should be can't read the subject's latest schema, and are not there yet. Paused
            ones read nothing.
        workload: objects for the pods; none while they can't be decided on.
        rollout: of the pods.
        warning: about lifetimes.
    """

    consumer: IdempotentConsumer
    observed: Observed
    topics: TopicsPlan
    ledger: LedgerPlan
    schema: SchemaPlan
    scaling: ScalingPlan | None
    halt: Finding | None
    held: bool
    workload: tuple[Object, ...]
    rollout: Finding
    warning: str | None


def look_at(consumer: IdempotentConsumer, observed: Observed, settings: OperatorSettings) -> Look:
    """Ask every part."""
    spec, kafka = consumer.spec, observed.kafka
    topics, ledger = plan_topics(spec, kafka), plan_ledger(consumer, observed.ledger)
    known = topics.partitions
    schema, image = plan_schema(consumer, observed), spec.image or settings.consumer_image
    halt = _halt(consumer, observed, image, ledger, known or spec.kafka.partitions)
    scaling, workload, held = None, (), False  # type: tuple[ScalingPlan | None, tuple[Object, ...], bool]
    rolled = Finding("False", Reason.PROGRESSING, "No pod is started yet.")
    if isinstance(kafka, KafkaFacts) and known is not None:
        scaling = plan_scaling(spec, observed, kafka, known)
        if halt is None and image is not None:
            workload = workload_objects(consumer, observed, settings, image, known)
            digest = template_hash(workload)
            rolled = rollout(observed.workload, observed.pods, spec.kafka.topic, known, digest)
            held = schema.unreadable and not spec.paused and not _runs(observed, digest)
    return Look(
        consumer,
        observed,
        topics,
        ledger,
        schema,
        scaling,
        halt,
        held,
        workload,
        rolled,
        ttl_warning(spec),
    )


def _runs(observed: Observed, digest: str) -> bool:
    return observed.workload is not None and observed.workload.config_hash == digest


def _halt(
    consumer: IdempotentConsumer, observed: Observed, image: str | None, ledger: LedgerPlan, partitions: int
) -> Finding | None:
    """What only a person can mend, and until then nothing is touched."""
    spec = consumer.spec
    if missing := [ref for ref in secret_refs(spec) if observed.secrets.get(ref) is None]:
        text = f"Secret {missing[0]} is missing in namespace {consumer.metadata.namespace}; create it."
        return Finding("True", Reason.SECRET_MISSING, text)
    for part in (observed.kafka, observed.ledger, observed.registry):
        if isinstance(part, Failure) and part.reason in (Reason.SECRET_MISSING, Reason.SECRET_INVALID):
            return Finding("True", part.reason, part.message)
    if image is None:
        text = "spec.image: given nothing; allowed: the image with the handler (the operator has no default)"
        return Finding("True", Reason.INVALID, text)
    if ledger.taken:
        return Finding("True", ledger.finding.reason, ledger.finding.message)
    return unfit(spec, partitions)
