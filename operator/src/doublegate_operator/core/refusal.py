"""The plan for a resource that can't be read: say so, and touch nothing."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from doublegate.contract.consumer_status import ConsumerStatus
from doublegate_operator.core.reasons import ConditionType, Reason
from doublegate_operator.core.status import Finding, conditions
from doublegate_operator.core.wanted import Event, Plan

__all__ = ["refused"]


def refused(
    resource: Mapping[str, Any],
    observed_status: ConsumerStatus | None,
    now: datetime,
    reason: Reason,
    message: str,
) -> Plan:
    """Stalled until somebody changes the resource; what runs goes on running as it is.

    Args:
        resource: as the API server has it.
        observed_status: what was written last; its figures are kept.
        now: time of the look.
        reason: Invalid or Unsupported.
        message: every problem, with the field and what is allowed.
    """
    generation = _generation(resource)
    findings = {
        kind: Finding("Unknown", reason, "Not looked at: the resource is refused.") for kind in ConditionType
    }
    findings[ConditionType.READY] = Finding("False", reason, message)
    findings[ConditionType.RECONCILING] = Finding("False", reason, "Waits for a change of the resource.")
    findings[ConditionType.STALLED] = Finding("True", reason, message)
    former = observed_status or ConsumerStatus.model_validate({})
    status = former.model_copy(
        update={
            "observed_generation": generation,
            "conditions": conditions(findings, observed_status, generation, now),
        }
    )
    known = any(
        c.type == ConditionType.STALLED and c.reason == reason and c.message == message
        for c in former.conditions
    )
    events = () if known else (Event("Warning", reason, message),)
    return Plan(status=status, events=events, again=300.0)


def _generation(resource: Mapping[str, Any]) -> int:
    metadata = resource.get("metadata")
    given = metadata.get("generation") if isinstance(metadata, Mapping) else None
    return given if isinstance(given, int) else 0
