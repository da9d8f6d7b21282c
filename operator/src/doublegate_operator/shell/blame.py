"""What did not work while a plan was carried out, put into the status that the plan had for its success."""

from __future__ import annotations

from datetime import datetime

from doublegate.contract.consumer_status import ConsumerStatus
from doublegate_operator.core.facts import Failure
from doublegate_operator.core.reasons import ConditionType, Reason
from doublegate_operator.core.status import Finding, conditions
from doublegate_operator.core.wanted import Event

__all__ = ["blamed", "said"]

_CHANGES = {
    Reason.TOPIC_CREATED,
    Reason.TOPIC_GROWN,
    Reason.TOPIC_CONFIGURED,
    Reason.COMPATIBILITY_SET,
}


def blamed(
    status: ConsumerStatus,
    former: ConsumerStatus | None,
    part: ConditionType | None,
    failure: Failure,
    now: datetime,
) -> ConsumerStatus:
    """Ready and the part's condition are False with the failure's reason; it is being retried.

    Args:
        status: the plan's.
        former: what was written last, for the times.
        part: whose condition it is; None for the objects in the cluster.
        failure: what did not work.
        now: time of the look.
    """
    findings = {
        ConditionType(c.type): Finding(c.status, Reason(c.reason), c.message) for c in status.conditions
    }
    if findings[ConditionType.STALLED].good:
        return status
    bad = Finding("False", failure.reason, failure.message)
    findings |= {kind: bad for kind in (part, ConditionType.READY) if kind is not None}
    findings[ConditionType.RECONCILING] = Finding("True", failure.reason, failure.message)
    generation = status.observed_generation or 0
    return status.model_copy(update={"conditions": conditions(findings, former, generation, now)})


def said(events: tuple[Event, ...], failures: list[Failure]) -> tuple[Event, ...]:
    """The plan's Events without changes that did not come about, and with why."""
    if not failures:
        return events
    kept = [event for event in events if event.reason not in _CHANGES]
    return (*kept, *(Event("Warning", failure.reason, failure.message) for failure in failures))
