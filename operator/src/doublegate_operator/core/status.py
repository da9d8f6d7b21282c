"""Conditions: one of each type, with the time of its last change kept."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

from doublegate.contract.consumer_status import Condition, ConsumerStatus
from doublegate.contract.replay_resource import ReplayStatus
from doublegate_operator.core.reasons import ConditionType, Reason

__all__ = ["Finding", "conditions", "parse_time", "stamp"]

_LONGEST = 4096

Truth = Literal["True", "False", "Unknown"]


@dataclass(frozen=True, slots=True)
class Finding:
    """What is said of one condition, before it has its times.

    Attributes:
        status: True, False or Unknown.
        reason: why, in one word.
        message: why, and what to do next.
    """

    status: Truth
    reason: Reason
    message: str = ""

    @property
    def good(self) -> bool:
        """Whether it is so."""
        return self.status == "True"


def conditions(
    findings: Mapping[ConditionType, Finding],
    former: ConsumerStatus | ReplayStatus | None,
    generation: int,
    now: datetime,
) -> list[Condition]:
    """All conditions in the order of their types; what kept its status keeps its `lastTransitionTime`."""
    times = {c.type: (c.status, c.last_transition_time) for c in former.conditions} if former else {}
    made = []
    for kind in (kind for kind in ConditionType if kind in findings):
        found = findings[kind]
        status, since = times.get(kind.value, (None, ""))
        made.append(
            Condition(
                type=kind.value,
                status=found.status,
                reason=found.reason.value,
                message=_cut(found.message),
                observed_generation=generation,
                last_transition_time=since if status == found.status else stamp(now),
            )
        )
    return made


def stamp(now: datetime) -> str:
    """A time as Kubernetes writes it, to the second."""
    return now.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def parse_time(text: str | None) -> datetime | None:
    """The time that `stamp` wrote; None for anything else, which a person may have put there."""
    try:
        return None if text is None else datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
    except ValueError:
        return None


def _cut(message: str) -> str:
    return message if len(message) <= _LONGEST else message[: _LONGEST - 3] + "..."
