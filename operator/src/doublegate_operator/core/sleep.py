"""Which lag wakes a group from zero pods.

Markers of transactions hold a partition's lag at 1 although there is no event left, and a threshold of as
many as there are partitions would let that many real events wait for company. So the threshold is the lag
that was seen to stay while idle pods had nothing to do: more than that is an event.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from doublegate.contract.consumer_status import ConsumerStatus
from doublegate_operator.core.facts import KafkaFacts, PodFacts
from doublegate_operator.core.pace import Pace

__all__ = ["activation_lag"]


def activation_lag(
    former: ConsumerStatus | None, kafka: KafkaFacts, pods: tuple[PodFacts, ...], now: Pace, partitions: int
) -> int:
    """Lag that no event makes up; at most one for each partition."""
    lag = kafka.lag or 0
    known = (former.scaling.activation_lag if former and former.scaling else None) or 0
    still = now.measured and now.rate == 0 and former is not None and former.lag == lag
    if still and lag <= partitions and pods and all(pod.ready and _idle(pod.status) for pod in pods):
        return lag
    return min(known, lag, partitions)


def _idle(status: Mapping[str, Any] | None) -> bool:
    return status is not None and not (status.get("held") or status.get("inFlight") or status.get("paused"))
