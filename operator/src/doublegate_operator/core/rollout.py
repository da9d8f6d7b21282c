"""Whether the pods are what they should be, and each has its share of the partitions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from doublegate_operator.core.facts import PodFacts, WorkloadFacts
from doublegate_operator.core.reasons import Reason
from doublegate_operator.core.status import Finding

__all__ = ["rollout"]


def rollout(
    workload: WorkloadFacts | None, pods: tuple[PodFacts, ...], topic: str, partitions: int, config_hash: str
) -> Finding:
    """True when every wanted pod is of the newest template, ready, and has its assignment.

    Args:
        workload: the Deployment.
        pods: its pods.
        topic: the source.
        partitions: that it has.
        config_hash: of the template as it should be.
    """
    if workload is None:
        return Finding("False", Reason.PROGRESSING, "The Deployment is being created.")
    if problem := _trouble(workload, pods):
        return Finding("False", Reason.POD_TROUBLE, problem)
    wanted = workload.wanted
    newest = workload.config_hash == config_hash and workload.observed_generation >= workload.generation
    if not newest or workload.updated < wanted or workload.total > workload.updated:
        updated = workload.updated if newest else 0
        return Finding(
            "False", Reason.ROLLING_OUT, f"{updated} of {wanted} pods have the newest configuration."
        )
    return _settled(workload, pods, topic, partitions)


def _settled(workload: WorkloadFacts, pods: tuple[PodFacts, ...], topic: str, partitions: int) -> Finding:
    wanted = workload.wanted
    if workload.ready < wanted or workload.total > wanted:
        return Finding("False", Reason.PODS_NOT_READY, f"{workload.ready} of {wanted} pods are ready.")
    if wanted == 0:
        return Finding("True", Reason.IDLE, "No pod is wanted now.")
    if missing := _unassigned(pods, topic, partitions):
        return Finding("False", Reason.NOT_ASSIGNED, missing)
    return Finding("True", Reason.AS_SPECIFIED, f"{wanted} pods are ready and hold {partitions} partitions.")


def _trouble(workload: WorkloadFacts, pods: tuple[PodFacts, ...]) -> str | None:
    for pod in sorted(pods, key=lambda pod: pod.name):
        if pod.trouble is not None and not pod.ready:
            return f"Pod {pod.name}: {pod.trouble}"
    return None if workload.problem is None else f"The Deployment is stuck: {workload.problem}"


def _unassigned(pods: tuple[PodFacts, ...], topic: str, partitions: int) -> str | None:
    ready = [pod for pod in pods if pod.ready]
    if silent := sorted(pod.name for pod in ready if pod.status is None):
        return f"Pod {silent[0]} does not answer on /status; may the operator reach its port 8080?"
    held = {number for pod in ready for number in _with_epoch(pod.status or {}, topic)}
    if waiting := sorted(set(range(partitions)) - held):
        some = ", ".join(map(str, waiting[:8])) + (", ..." if len(waiting) > 8 else "")
        return f"{len(waiting)} of {partitions} partitions wait for a pod or their epoch: {some}."
    return None


def _with_epoch(status: Mapping[str, Any], topic: str) -> Iterator[int]:
    for held in status.get("partitions", ()):
        if held.get("topic") == topic and held.get("epoch"):
            yield held["partition"]
