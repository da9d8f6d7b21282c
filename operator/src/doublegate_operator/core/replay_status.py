"""The status of a DeadLetterReplay: phase, conditions, counts, and the Events that tell of a change."""

from __future__ import annotations

from datetime import datetime

from doublegate.contract.consumer_status import Condition
from doublegate.contract.replay_progress import ReplayProgress
from doublegate.contract.replay_resource import Phase, ReplayStatus
from doublegate_operator.core.reasons import ConditionType, Reason
from doublegate_operator.core.status import Finding, conditions
from doublegate_operator.core.wanted import Event

__all__ = ["conditions_of", "counted", "ended", "events"]

_IN_ORDER = (Reason.CONSUMER_MISSING, Reason.REPLAY_RUNNING, Reason.REPLAY_COMPLETE)


def ended(phase: object) -> bool:
    """Whether a replay of that phase is at its end, and never begun again; takes what the API has."""
    return phase in (Phase.COMPLETE, Phase.FAILED)


def counted(former: ReplayStatus, progress: ReplayProgress | None) -> ReplayStatus:
    """The status with what the pod told; what it did not tell stays."""
    if progress is None:
        return former
    told = progress.model_dump(by_alias=False, exclude_none=True, exclude={"dry_run", "sent", "error"})
    if not progress.position:
        told.pop("position")
    return former.model_copy(update=told)


def conditions_of(
    former: ReplayStatus | None, generation: int, now: datetime, phase: Phase, reason: Reason, message: str
) -> list[Condition]:
    """Ready, Reconciling and Stalled, as kstatus reads them."""
    truths = {
        ConditionType.READY: phase is Phase.COMPLETE,
        ConditionType.RECONCILING: phase in (Phase.PENDING, Phase.RUNNING),
        ConditionType.STALLED: phase is Phase.FAILED,
    }
    findings = {
        kind: Finding("True" if truth else "False", reason, message) for kind, truth in truths.items()
    }
    return conditions(findings, former, generation, now)


def events(
    former: ReplayStatus | None, status: ReplayStatus, reason: Reason, message: str
) -> tuple[Event, ...]:
    """One for each new phase, and for each new cause to wait."""
    if former is not None and (former.phase, _reason(former)) == (status.phase, _reason(status)):
        return ()
    return (Event("Normal" if reason in _IN_ORDER else "Warning", reason, message),)


def _reason(status: ReplayStatus) -> str | None:
    return status.conditions[0].reason if status.conditions else None
