"""The subject in the registry: its compatibility, and whether the consumer can read its latest schema."""

from __future__ import annotations

from dataclasses import dataclass

from doublegate.contract.declared_field import DeclaredField
from doublegate.contract.reads import broken_fields
from doublegate.contract.resource import IdempotentConsumer
from doublegate_operator.core.facts import Failure, LatestSchema, Observed
from doublegate_operator.core.reasons import ConditionType, Reason
from doublegate_operator.core.status import Finding
from doublegate_operator.core.wanted import SetCompatibility

__all__ = ["SchemaPlan", "plan_schema"]

_TOLD = 3
"""Fields; an Event's message is short."""


@dataclass(frozen=True, slots=True)
class SchemaPlan:
    """What to set, and what is to be said.

    Attributes:
        finding: for SchemaCompatible.
        change: of the subject's level.
        unreadable: the consumer can't read the latest schema.
    """

    finding: Finding
    change: SetCompatibility | None = None
    unreadable: bool = False


def plan_schema(consumer: IdempotentConsumer, observed: Observed) -> SchemaPlan:
    """Compare the subject's level, and the fields of its latest schema, with the resource."""
    schema, subject, registry = consumer.spec.schema_, consumer.spec.schema_subject, observed.registry
    if schema is None or subject is None:
        return SchemaPlan(Finding("True", Reason.NOT_USED, "The resource names no registry."))
    if isinstance(registry, Failure):
        refused = _refused_before(consumer, observed)
        finding = refused or Finding("False", registry.reason, registry.message)
        return SchemaPlan(finding, unreadable=refused is not None)
    level = schema.compatibility.value
    set_already = registry is not None and registry.compatibility == level
    change = None if set_already else SetCompatibility(subject, level)
    latest = None if registry is None else registry.latest
    if schema.reads is not None and latest is not None and (unfit := _unfit(schema.reads, latest, subject)):
        return SchemaPlan(unfit, change, unreadable=True)
    if change is not None:
        text = f"Subject {subject} is set to {level} next."
        return SchemaPlan(Finding("False", Reason.PROGRESSING, text), change)
    return SchemaPlan(_in_order(schema.reads, latest, f"Subject {subject} demands {level}."))


def _refused_before(consumer: IdempotentConsumer, observed: Observed) -> Finding | None:
    """What was said of this generation while the registry answered: its silence makes nothing readable."""
    for said in observed.status.conditions if observed.status else ():
        same = said.observed_generation == consumer.metadata.generation
        if same and (said.type, said.reason) == (ConditionType.SCHEMA_COMPATIBLE, Reason.FIELD_UNREADABLE):
            return Finding("False", Reason.FIELD_UNREADABLE, said.message)
    return None


def _unfit(reads: dict[str, DeclaredField], latest: LatestSchema, subject: str) -> Finding | None:
    if latest.unclear is not None:
        return None
    taken = {path: declared.as_read() for path, declared in reads.items()}
    broken = [f"field {path}: {what}" for path, what, _ in broken_fields(taken, latest.fields)]
    if not broken:
        return None
    more = f"; and {len(broken) - _TOLD} more" if len(broken) > _TOLD else ""
    text = (
        f"The consumer can't read version {latest.version} of subject {subject}: "
        f"{'; '.join(broken[:_TOLD])}{more}. What runs stays as it is. Give the resource an image whose "
        "model takes that, with spec.schema.reads from `doublegate schema fields`; or register a version "
        "that the model reads."
    )
    return Finding("False", Reason.FIELD_UNREADABLE, text)


def _in_order(reads: dict[str, DeclaredField] | None, latest: LatestSchema | None, level: str) -> Finding:
    if reads is None:
        return Finding("True", Reason.AS_SPECIFIED, level)
    if latest is None:
        text = f"{level} It has no schema yet that spec.schema.reads could be compared with."
        return Finding("True", Reason.AS_SPECIFIED, text)
    if latest.unclear is not None:
        text = (
            f"{level} Whether the consumer can read its latest schema can't be told: {latest.unclear}. Pods "
            "are rolled out all the same."
        )
        return Finding("Unknown", Reason.SCHEMA_UNCLEAR, text)
    text = f"{level} The consumer can read its version {latest.version}."
    return Finding("True", Reason.AS_SPECIFIED, text)
