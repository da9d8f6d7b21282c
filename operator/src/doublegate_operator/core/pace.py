"""How fast the group works, and whether more pods still make it faster.

A rate is the committed offsets' difference over a span. While there is a backlog all pods work, so it is what
so many pods manage: the steady rate. When there are more pods than then, the rate is nearly the same, and
each pod is well below its capacity, the far side is the limit, and more pods would only press harder on it:
scale-out freezes. It thaws when the rate rises or the backlog is gone.

Pods come and go within a span. What is remembered belongs to the most of them, and what is judged to the
fewest, so a freeze never rests on pods that had no time to show what they can.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from doublegate.contract.consumer_status import ConsumerStatus, ScalingFigures
from doublegate_operator.core.facts import KafkaFacts
from doublegate_operator.core.reasons import Reason
from doublegate_operator.core.status import parse_time, stamp

__all__ = ["Pace", "pace"]

SPAN = timedelta(seconds=20)
"""Shorter ones measure commits' rhythm."""
_BACKLOG_SECONDS = 10.0
_FAIR_SHARE = 0.25  # of what the added pods would bring if nothing else were the limit
_RISE = 1.1
_BUSY_SHARE = 0.7  # of its capacity: a pod that works so much is not held up by the far side


@dataclass(frozen=True, slots=True)
class Pace:
    """What was measured; the fields are those of status.scaling.

    Attributes:
        rate: events per second that the group finished; None before a first span.
        committed: sum of committed offsets when the present span began.
        at: when it began.
        fewest: pods that were ready at least since then.
        most: pods that were ready at most.
        steady_replicas: ready pods of the steady rate; None without a backlog.
        steady_rate: events per second that they finished together.
        flat: more pods did not make it faster.
        measured: this look ended a span.
    """

    rate: float | None = None
    committed: int | None = None
    at: str | None = None
    fewest: int | None = None
    most: int | None = None
    steady_replicas: int | None = None
    steady_rate: float | None = None
    flat: bool = False
    measured: bool = False


def pace(
    former: ConsumerStatus | None, kafka: KafkaFacts, ready: int, able: float, drain: float, now: datetime
) -> Pace:
    """The pace after this look.

    Args:
        former: the status written last.
        kafka: committed offsets and lag.
        ready: pods that are ready now.
        able: what one of them is taken to manage, in events per second.
        drain: `scaling.targetDrain`.
        now: time of the look.
    """
    before = former.scaling if former else None
    began = parse_time(before.observed_at) if before else None
    if before is None or began is None or kafka.committed is None or before.committed is None:
        return Pace(None, kafka.committed, stamp(now), ready, ready)
    flat = before.reason == Reason.FROZEN_DOWNSTREAM
    steady = (before.steady_replicas, before.steady_rate, flat)
    done, span = kafka.committed - before.committed, now - began
    if done < 0:  # somebody set the offsets back
        return Pace(before.observed_rate, kafka.committed, stamp(now), ready, ready, *steady)
    fewest = min(ready, before.fewest_replicas or 0)
    most = max(ready, before.most_replicas or 0)
    if span < SPAN:
        return Pace(before.observed_rate, before.committed, stamp(began), fewest, most, *steady)
    rate = done / span.total_seconds()
    behind = most > 0 and (kafka.lag or 0) > rate * min(_BACKLOG_SECONDS, drain / 2)
    after: tuple[int | None, float | None, bool] = (None, None, False)
    if behind and flat:
        after = _frozen(before, fewest, most, rate)
    elif behind:
        after = _free(before, fewest, most, rate, busy=rate >= able * _BUSY_SHARE * fewest)
    return Pace(rate, kafka.committed, stamp(now), ready, ready, *after, measured=True)


def _free(
    before: ScalingFigures, fewest: int, most: int, rate: float, *, busy: bool
) -> tuple[int | None, float | None, bool]:
    """Steady pods and rate, and whether scale-out freezes now."""
    pods = before.steady_replicas
    if pods is None or most <= pods:
        return most, rate, False
    if fewest <= pods:  # more of them for a part of the span only
        return pods, before.steady_rate, False
    return (most, rate, False) if busy else _frozen(before, fewest, most, rate)


def _frozen(
    before: ScalingFigures, fewest: int, most: int, rate: float
) -> tuple[int | None, float | None, bool]:
    """The same, when only a rise of the rate speaks for more pods."""
    pods, steady = before.steady_replicas, before.steady_rate
    if pods is None or steady is None:
        return most, rate, False
    fair = steady + _FAIR_SHARE * steady * (fewest - pods) / pods
    return (most, rate, False) if rate > max(fair, steady * _RISE) else (pods, steady, True)
