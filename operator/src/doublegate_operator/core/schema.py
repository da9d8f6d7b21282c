"""The subject's compatibility in the registry."""

from __future__ import annotations

from dataclasses import dataclass

from doublegate.contract.consumer_spec import ConsumerSpec
from doublegate_operator.core.facts import Failure, RegistryFacts
from doublegate_operator.core.reasons import Reason
from doublegate_operator.core.status import Finding
from doublegate_operator.core.wanted import SetCompatibility

__all__ = ["SchemaPlan", "plan_schema"]


@dataclass(frozen=True, slots=True)
class SchemaPlan:
    """What to set, and what is to be said.

    Attributes:
        finding: for SchemaCompatible.
        change: of the subject's level.
    """

    finding: Finding
    change: SetCompatibility | None = None


def plan_schema(spec: ConsumerSpec, registry: RegistryFacts | Failure | None) -> SchemaPlan:
    """Compare the subject's level with the resource."""
    subject = spec.schema_subject
    if spec.schema_ is None or subject is None:
        return SchemaPlan(Finding("True", Reason.NOT_USED, "The resource names no registry."))
    if isinstance(registry, Failure):
        return SchemaPlan(Finding("False", registry.reason, registry.message))
    level = spec.schema_.compatibility.value
    if registry is None or registry.compatibility != level:
        text = f"Subject {subject} is set to {level} next."
        return SchemaPlan(Finding("False", Reason.PROGRESSING, text), SetCompatibility(subject, level))
    return SchemaPlan(Finding("True", Reason.AS_SPECIFIED, f"Subject {subject} demands {level}."))
