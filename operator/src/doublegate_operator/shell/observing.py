"""Facts that are read off objects in the view."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from pydantic import ValidationError

from doublegate.contract.consumer_status import ConsumerStatus
from doublegate.contract.replay_resource import ReplayStatus
from doublegate_operator.core.facts import WorkloadFacts
from doublegate_operator.core.meta import HASH_ANNOTATION

__all__ = ["scaler_facts", "status_of", "workload_facts"]

Raw = Mapping[str, Any]
Status = TypeVar("Status", ConsumerStatus, ReplayStatus)


def status_of(resource: Raw, model: type[Status]) -> Status | None:
    """What was written last; None for nothing, and for what another version of the operator wrote."""
    given = resource.get("status")
    try:
        return model.model_validate(given) if given else None
    except ValidationError:
        return None


def workload_facts(deployment: Raw | None) -> WorkloadFacts | None:
    """Of the Deployment."""
    if deployment is None:
        return None
    spec, status = deployment["spec"], deployment.get("status") or {}
    annotations = spec["template"]["metadata"].get("annotations") or {}
    return WorkloadFacts(
        generation=deployment["metadata"].get("generation", 0),
        observed_generation=status.get("observedGeneration", 0),
        wanted=spec.get("replicas", 1),
        total=status.get("replicas", 0),
        updated=status.get("updatedReplicas", 0),
        ready=status.get("readyReplicas", 0),
        config_hash=annotations.get(HASH_ANNOTATION),
        problem=_problem(status.get("conditions") or ()),
    )


def scaler_facts(scaled_object: Raw | None) -> Mapping[str, tuple[str, str]] | None:
    """Conditions of the ScaledObject."""
    if scaled_object is None:
        return None
    conditions = (scaled_object.get("status") or {}).get("conditions") or ()
    return {c["type"]: (c["status"], c.get("message", "")) for c in conditions}


def _problem(conditions: Any) -> str | None:
    by_type = {condition["type"]: condition for condition in conditions}
    failure, progress = by_type.get("ReplicaFailure", {}), by_type.get("Progressing", {})
    if failure.get("status") == "True":
        return str(failure.get("message") or failure.get("reason"))
    if progress.get("status") == "False":
        return str(progress.get("message") or progress.get("reason"))
    return None
