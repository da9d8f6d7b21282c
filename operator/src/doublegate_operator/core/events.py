"""Events: what changed since the status was written, said once."""

from __future__ import annotations

from collections.abc import Iterator

from doublegate.contract.consumer_status import Condition, ConsumerStatus
from doublegate_operator.core.reasons import ConditionType, Reason
from doublegate_operator.core.topics import TopicChange
from doublegate_operator.core.wanted import CreateTopic, Event, GrowTopic, SetCompatibility

__all__ = ["events"]

_PARTS = (
    ConditionType.TOPICS_READY,
    ConditionType.LEDGER_READY,
    ConditionType.SCHEMA_COMPATIBLE,
    ConditionType.SCALING_READY,
)
_ALOUD = (
    Reason.CAPPED_AT_PARTITIONS,
    Reason.FROZEN_DOWNSTREAM,
    Reason.FROZEN_LEDGER,
    Reason.POD_TROUBLE,
    Reason.SCHEMA_UNCLEAR,
)


def events(
    former: ConsumerStatus | None,
    now: ConsumerStatus,
    topics: tuple[TopicChange, ...],
    compatibility: SetCompatibility | None,
    warning: str | None,
) -> tuple[Event, ...]:
    """Everything worth a line in `kubectl describe`.

    Args:
        former: the status written last.
        now: the new one.
        topics: changes that this plan makes.
        compatibility: the same.
        warning: about lifetimes; said anew for each generation.
    """
    made = [_topic(change) for change in topics]
    if compatibility is not None:
        text = f"Subject {compatibility.subject} is set to {compatibility.level}."
        made.append(Event("Normal", Reason.COMPATIBILITY_SET, text))
    generation = former.observed_generation if former else None
    if warning is not None and generation != now.observed_generation:
        made.append(Event("Warning", Reason.TTL_TOO_SHORT, warning))
    if _fill(now) > 1 >= _fill(former):
        text = (
            f"A filter holds {_fill(now):.0%} of the ids that it is sized for, so more new ids ask the "
            "ledger in vain. Raise filter.expectedRate."
        )
        made.append(Event("Warning", Reason.SATURATED, text))
    return (*made, *_conditions(former, now))


def _topic(change: TopicChange) -> Event:
    match change:
        case CreateTopic():
            text = f"Topic {change.name} is created with {change.partitions} partitions."
            return Event("Normal", Reason.TOPIC_CREATED, text)
        case GrowTopic():
            text = f"Topic {change.name} grows to {change.partitions} partitions."
            return Event("Normal", Reason.TOPIC_GROWN, text)
        case _:
            settings = ", ".join(f"{key}={value}" for key, value in sorted(change.config.items()))
            return Event("Normal", Reason.TOPIC_CONFIGURED, f"Topic {change.name} is set to {settings}.")


def _conditions(former: ConsumerStatus | None, now: ConsumerStatus) -> Iterator[Event]:
    known = {c.type: c for c in former.conditions} if former else {}
    said: set[str] = set()
    for condition in sorted(now.conditions, key=lambda c: c.type not in _PARTS):
        old = known.get(condition.type)
        if old is not None and (old.status, old.reason) == (condition.status, condition.reason):
            said.add(condition.reason)
            continue
        kind = _kind(condition, old)
        if kind == "Normal" or (kind is not None and condition.reason not in said):
            said.add(condition.reason)
            yield Event(kind, Reason(condition.reason), condition.message)


def _kind(now: Condition, old: Condition | None) -> str | None:
    """Normal or Warning; None for what is not worth a line."""
    bad = now.status == "False" and now.reason != Reason.PROGRESSING
    match ConditionType(now.type):
        case ConditionType.READY if now.status == "True":
            return "Normal" if old is None or old.status != "True" else None
        case ConditionType.PAUSED:
            return "Normal" if now.status == "True" or (old is not None and old.status == "True") else None
        case ConditionType.STALLED:
            return "Warning" if now.status == "True" else None
        case ConditionType.RECONCILING:
            return None
        case kind:
            return "Warning" if now.reason in _ALOUD or (kind in _PARTS and bad) else None


def _fill(status: ConsumerStatus | None) -> float:
    return (status.filter.fill if status and status.filter else None) or 0.0
