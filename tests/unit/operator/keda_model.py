"""A small model of what KEDA's Kafka scaler and the HorizontalPodAutoscaler compute from a lag.

KEDA (pkg/scalers/kafka_scaler.go): unless idle consumers are allowed, a lag of more than `partitions` whole
thresholds counts as `partitions` thresholds; the division is of whole numbers. The autoscaler
(pkg/controller/podautoscaler): within its tolerance nothing changes, else the lag by the threshold, rounded
up, within minimum and maximum, up by at most what its policies allow in one round.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from typing import Any


@dataclass(frozen=True)
class Scaler:
    """One ScaledObject, as far as it matters here."""

    threshold: int
    maximum: int
    idle: bool
    minimum: int = 1
    tolerance: Fraction = Fraction(1, 10)
    step: int | None = None

    @classmethod
    def of(cls, manifest: dict[str, Any]) -> Scaler:
        """Read from a manifest."""
        spec, trigger = manifest["spec"], manifest["spec"]["triggers"][0]["metadata"]
        up = spec["advanced"]["horizontalPodAutoscalerConfig"]["behavior"]["scaleUp"]
        return cls(
            threshold=int(trigger["lagThreshold"]),
            maximum=spec["maxReplicaCount"],
            idle=trigger["allowIdleConsumers"] == "true",
            minimum=max(1, spec["minReplicaCount"]),
            tolerance=Fraction(up["tolerance"]),
            step=up["policies"][0]["value"],
        )

    def metric(self, lag: int, partitions: int) -> int:
        """What KEDA tells the autoscaler."""
        if not self.idle and lag // self.threshold > partitions:
            return partitions * self.threshold
        return lag

    def next(self, lag: int, partitions: int, pods: int) -> int:
        """One round."""
        metric = self.metric(lag, partitions)
        ratio = Fraction(metric, self.threshold * pods)
        wanted = pods if 1 - Fraction(1, 10) <= ratio <= 1 + self.tolerance else -(-metric // self.threshold)
        most = pods + self.step if self.step is not None else max(2 * pods, 4)
        return max(self.minimum, min(wanted, most, self.maximum))

    def settled(self, lag: int, partitions: int, pods: int = 1) -> int:
        """Where it comes to rest, the lag being held."""
        for _ in range(math.ceil(math.log2(self.maximum + 1)) + 8):
            pods = self.next(lag, partitions, pods)
        assert self.next(lag, partitions, pods) == pods
        return pods
