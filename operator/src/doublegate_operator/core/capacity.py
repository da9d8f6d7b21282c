"""What a pod is taken to manage, in events per second.

The largest figure of the ready pods, remembered and fading: it halves in ten minutes and never falls below
what is measured now. It changes by steps of more than 20%, since each change of a threshold may move pods.
Until a pod has measured anything it is `scaling.initialRate`, a guess that the first figure replaces.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from doublegate.contract.consumer_status import ScalingFigures
from doublegate_operator.core.facts import PodFacts
from doublegate_operator.core.status import parse_time, stamp

__all__ = ["Capacity", "capacity"]

HALF_LIFE = timedelta(minutes=10)
_STEP = 0.2


@dataclass(frozen=True, slots=True)
class Capacity:
    """The figure and its age.

    Attributes:
        rate: events per second of one pod.
        at: when a pod last came near it, as in status; None while it is a guess.
    """

    rate: float
    at: str | None


def capacity(
    former: ScalingFigures | None, pods: tuple[PodFacts, ...], guess: float, now: datetime
) -> Capacity:
    """The figure after this look."""
    shown = [figure for pod in pods if pod.ready for figure in _figure(pod.status or {})]
    known = former.capacity_events_per_second if former else None
    since = parse_time(former.capacity_at) if former else None
    if since is None or known is None:
        measured = max((figure for figure in shown if figure != guess), default=None)  # they report it, too
        return Capacity(guess, None) if measured is None else Capacity(measured, stamp(now))
    if not shown:
        return Capacity(known, stamp(now))  # nobody works: it neither holds nor fades
    measured = max(shown)
    if known * (1 - _STEP) <= measured <= known * (1 + _STEP):
        return Capacity(known, stamp(now))
    faded = max(measured, known * 0.5 ** max(0.0, (now - since) / HALF_LIFE))
    if faded > known or faded < known * (1 - _STEP):
        return Capacity(faded, stamp(now))
    return Capacity(known, stamp(since))


def _figure(status: Mapping[str, Any]) -> tuple[float, ...]:
    figure = status.get("capacityEventsPerSecond")
    return (float(figure),) if isinstance(figure, int | float) and figure > 0 else ()
