"""How many pods there may be, by which lag, and why.

KEDA divides the lag by `lagThreshold`, the lag that one pod works off in `scaling.targetDrain` by its
capacity; its maximum is the smaller of `maxReplicas` and the partitions. Two things stop scale-out at the
number of pods that is wanted now, because more could not help: the ledger blocks, or the group's rate stayed
flat although pods were added. A freeze keeps its number, so that a pod that dies does not lower it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from doublegate.contract.consumer_status import ScalingFigures
from doublegate.contract.platform_spec import ScalingMode
from doublegate.contract.resource import ConsumerSpec
from doublegate.contract.states import PauseCause
from doublegate.contract.units import format_duration
from doublegate_operator.core.capacity import Capacity, capacity
from doublegate_operator.core.facts import KafkaFacts, Observed
from doublegate_operator.core.pace import Pace, pace
from doublegate_operator.core.reasons import Reason
from doublegate_operator.core.sleep import activation_lag
from doublegate_operator.core.status import Finding

__all__ = ["ScalingPlan", "plan_scaling"]

_FREEZES = (Reason.FROZEN_LEDGER, Reason.FROZEN_DOWNSTREAM)


@dataclass(frozen=True, slots=True)
class ScalingPlan:
    """What KEDA shall do, and what is to be said.

    Attributes:
        finding: for ScalingReady.
        figures: for status.scaling.
        keda: whether there shall be a ScaledObject.
        minimum: pods at least.
        maximum: pods at most now.
        threshold: lag per pod.
        activation: lag that wakes nobody.
    """

    finding: Finding
    figures: ScalingFigures
    keda: bool
    minimum: int
    maximum: int
    threshold: int
    activation: int


def plan_scaling(spec: ConsumerSpec, observed: Observed, kafka: KafkaFacts, partitions: int) -> ScalingPlan:
    """The numbers for this look."""
    own, former = spec.scaling, observed.status
    ready = observed.workload.ready if observed.workload else 0
    able = capacity(former.scaling if former else None, observed.pods, own.initial_rate, observed.now)
    speed = pace(former, kafka, ready, able.rate, own.target_drain, observed.now)
    cap = min(own.max_replicas, partitions)
    low = min(own.min_replicas, cap)
    freeze = None if spec.paused or own.mode is ScalingMode.MANUAL else _freeze(observed, speed)
    maximum = cap if freeze is None else max(1, low, min(cap, _held(observed)))
    threshold = max(1, math.ceil(able.rate * own.target_drain))
    awake = activation_lag(former, kafka, observed.pods, speed, partitions)
    reason = freeze or _reason(spec, observed, partitions)
    message = _message(spec, reason, partitions, maximum, _rates(threshold, able, own.target_drain, kafka))
    figures = ScalingFigures(
        reason=reason.value,
        message=message,
        capacity_events_per_second=able.rate,
        capacity_at=able.at,
        lag_threshold=threshold,
        max_replicas=maximum,
        observed_rate=speed.rate,
        committed=speed.committed,
        observed_at=speed.at,
        fewest_replicas=speed.fewest,
        most_replicas=speed.most,
        steady_replicas=speed.steady_replicas,
        steady_rate=speed.steady_rate,
        activation_lag=awake,
    )
    keda = own.mode is ScalingMode.KEDA and observed.keda
    finding = _finding(spec, observed, reason, message)
    return ScalingPlan(finding, figures, keda, low, maximum, threshold, awake)


def _freeze(observed: Observed, speed: Pace) -> Reason | None:
    if any(PauseCause.LEDGER.value in (pod.status or {}).get("paused", ()) for pod in observed.pods):
        return Reason.FROZEN_LEDGER
    return Reason.FROZEN_DOWNSTREAM if speed.flat else None


def _held(observed: Observed) -> int:
    former = observed.status.scaling if observed.status else None
    if former is not None and former.reason in _FREEZES and former.max_replicas is not None:
        return former.max_replicas
    return observed.workload.wanted if observed.workload else 0


def _reason(spec: ConsumerSpec, observed: Observed, partitions: int) -> Reason:
    if spec.paused:
        return Reason.PAUSED
    if spec.scaling.mode is ScalingMode.MANUAL:
        return Reason.MANUAL
    if spec.scaling.max_replicas > partitions:
        return Reason.CAPPED_AT_PARTITIONS
    return Reason.IDLE if observed.workload is not None and observed.workload.wanted == 0 else Reason.BY_LAG


def _rates(threshold: int, able: Capacity, drain: float, kafka: KafkaFacts) -> str:
    guess = " (not measured yet)" if able.at is None else ""
    lag = "" if kafka.lag is None else f"; the lag is {kafka.lag} now"
    return (
        f"one for each {threshold} of lag, which is {able.rate:.6g} events/s{guess} for "
        f"{format_duration(drain)}{lag}"
    )


def _message(spec: ConsumerSpec, reason: Reason, partitions: int, maximum: int, rates: str) -> str:
    match reason:
        case Reason.MANUAL:
            return "The number of pods is yours: kubectl scale, or another autoscaler."
        case Reason.PAUSED:
            return "Paused by spec.paused: the number of pods stays as it is."
        case Reason.FROZEN_LEDGER:
            return f"No more than {maximum} pods: the ledger blocks, and more pods could not work either."
        case Reason.FROZEN_DOWNSTREAM:
            return (
                f"No more than {maximum} pods: the last ones did not make the group faster, so what its "
                "handler calls is the limit."
            )
        case Reason.CAPPED_AT_PARTITIONS:
            return (
                f"At most {maximum} pods, {rates}. The topic has {partitions} partitions, and of the "
                f"{spec.scaling.max_replicas} pods of spec.scaling.maxReplicas those beyond would idle."
            )
        case _:
            return f"At most {maximum} pods, {rates}."


def _finding(spec: ConsumerSpec, observed: Observed, reason: Reason, message: str) -> Finding:
    if spec.scaling.mode is ScalingMode.MANUAL:
        return Finding("True", Reason.MANUAL, message)
    if not observed.keda:
        text = "The cluster has no KEDA (keda.sh/v1alpha1). Install it, or set spec.scaling.mode to Manual."
        return Finding("False", Reason.KEDA_MISSING, text)
    if observed.scaler is None:
        return Finding("False", Reason.PROGRESSING, "The ScaledObject is being created.")
    status, said = observed.scaler.get("Ready", ("Unknown", "KEDA has not looked at it yet."))
    if status != "True":
        brokers = spec.kafka.bootstrap_servers
        text = (
            f"The ScaledObject is not ready: {said or 'KEDA does not say why'}. KEDA asks Kafka for the lag "
            f"from its own namespace: is {brokers} reachable there, with the login given?"
        )
        return Finding("False", Reason.SCALER_NOT_READY, text)
    return Finding("True", reason, message)
