"""How fast the group works, and whether more pods still make it faster.

A rate is the committed offsets' difference over a span in which the number of ready pods was the same. While
there is a backlog all of them work, so that rate is what so many pods manage: the steady rate. When pods
were added and the rate is nearly the same, the far side is the limit, and more pods would only press harder
on it: scale-out freezes. It thaws when the rate rises or the backlog is gone.
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


@dataclass(frozen=True, slots=True)
class Pace:
    """What was measured; the fields are those of status.scaling.

    Attributes:
        rate: events per second that the group finished; None before a first span.
        committed: sum of committed offsets when the present span began.
        at: when it began.
        steady_replicas: ready pods of the steady rate; None without a backlog.
        steady_rate: events per second that they finished together.
        flat: more pods did not make it faster.
        measured: this look ended a span.
    """

    rate: float | None = None
    committed: int | None = None
    at: str | None = None
    steady_replicas: int | None = None
    steady_rate: float | None = None
    flat: bool = False
    measured: bool = False


def pace(former: ConsumerStatus | None, kafka: KafkaFacts, ready: int, drain: float, now: datetime) -> Pace:
    """The pace after this look.

    Args:
        former: the status written last.
        kafka: committed offsets and lag.
        ready: pods that are ready now.
        drain: `scaling.targetDrain`.
        now: time of the look.
    """
    before = former.scaling if former else None
    if former is None or before is None or kafka.committed is None:
        return Pace(committed=kafka.committed, at=stamp(now))
    began = parse_time(before.observed_at)
    same = (
        ready == former.ready_replicas
        and before.committed is not None
        and before.committed <= kafka.committed
    )
    flat = before.reason == Reason.FROZEN_DOWNSTREAM
    steady = (before.steady_replicas, before.steady_rate)
    if began is None or not same or before.committed is None:
        return Pace(before.observed_rate, kafka.committed, stamp(now), *steady, flat)
    span = now - began
    if span < SPAN:
        return Pace(before.observed_rate, before.committed, stamp(began), *steady, flat)
    rate = (kafka.committed - before.committed) / span.total_seconds()
    behind = ready > 0 and (kafka.lag or 0) > rate * min(_BACKLOG_SECONDS, drain / 2)
    steady_replicas, steady_rate, flat = _judged(before, ready, rate, flat) if behind else (None, None, False)
    return Pace(rate, kafka.committed, stamp(now), steady_replicas, steady_rate, flat, measured=True)


def _judged(before: ScalingFigures, ready: int, rate: float, flat: bool) -> tuple[int, float, bool]:
    pods, steady = before.steady_replicas, before.steady_rate
    if pods is None or steady is None or (not flat and ready <= pods):
        return ready, rate, False
    fair = steady + _FAIR_SHARE * steady * (ready - pods) / pods
    if rate > max(fair, steady * _RISE):
        return ready, rate, False
    return pods, steady, True
