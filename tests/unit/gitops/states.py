"""Resources in every state that the operator leaves them in, with the health that each has."""

from __future__ import annotations

from typing import Any

import pytest

from doublegate.contract.consumer_status import ConsumerStatus
from doublegate.contract.replay_resource import Phase, ReplayStatus
from doublegate_operator.core.plan import refused
from doublegate_operator.core.reasons import ConditionType, Reason
from doublegate_operator.core.replay_status import conditions_of
from doublegate_operator.core.status import Finding, conditions
from tests.unit.operator.world import NOW

__all__ = ["each_state"]

Object = dict[str, Any]

GENERATION = 2
KSTATUS = (ConditionType.READY, ConditionType.RECONCILING, ConditionType.STALLED)


def consumer(
    truths: tuple[bool, bool, bool] | None, *, seen: int = GENERATION, paused: bool = False
) -> Object:
    """One whose Ready, Reconciling and Stalled are so."""
    made: Object = {
        "kind": "IdempotentConsumer",
        "metadata": {"name": "payments", "generation": GENERATION},
        "spec": {"paused": paused},
    }
    if truths is not None:
        findings = {
            kind: Finding("True" if truth else "False", Reason.AS_SPECIFIED, "Words.")
            for kind, truth in zip(KSTATUS, truths, strict=True)
        }
        if paused:
            findings[ConditionType.PAUSED] = Finding("True", Reason.PAUSED, "By spec.paused.")
        status = ConsumerStatus(observed_generation=seen, conditions=conditions(findings, None, seen, NOW))
        made["status"] = status.model_dump(by_alias=True, exclude_none=True)
    return made


def refusal() -> Object:
    """One that breaks a rule, as the operator answers it."""
    made = consumer(None)
    status = refused(made, None, NOW, Reason.INVALID, "spec.kafka.topic: missing").status
    return {**made, "status": status.model_dump(by_alias=True, exclude_none=True)}


def replay(phase: Phase, *, seen: int = GENERATION) -> Object:
    """One in that phase."""
    status = ReplayStatus(
        observed_generation=seen,
        phase=phase,
        conditions=conditions_of(None, seen, NOW, phase, Reason.REPLAY_RUNNING, "Words."),
    )
    return {
        "kind": "DeadLetterReplay",
        "metadata": {"name": "repaired", "generation": GENERATION},
        "spec": {"consumerRef": {"name": "payments"}},
        "status": status.model_dump(by_alias=True, exclude_none=True),
    }


READY, WORKING, STUCK = (True, False, False), (False, True, False), (False, False, True)
EMPTY = {**consumer(None), "status": {"observedGeneration": GENERATION}}
STATES = {
    "nobody has looked": (consumer(None), "Progressing"),
    "a status without conditions": (EMPTY, "Progressing"),
    "ready": (consumer(READY), "Healthy"),
    "at work": (consumer(WORKING), "Progressing"),
    "stuck": (consumer(STUCK), "Degraded"),
    "refused": (refusal(), "Degraded"),
    "paused": (consumer(READY, paused=True), "Suspended"),
    "paused and at work": (consumer(WORKING, paused=True), "Progressing"),
    "paused and stuck": (consumer(STUCK, paused=True), "Degraded"),
    "ready, before the change": (consumer(READY, seen=1), "Progressing"),
    "stuck, before the change": (consumer(STUCK, seen=1), "Progressing"),
    "a replay that waits": (replay(Phase.PENDING), "Progressing"),
    "a replay that sends": (replay(Phase.RUNNING), "Progressing"),
    "a replay at its end": (replay(Phase.COMPLETE), "Healthy"),
    "a replay that gave up": (replay(Phase.FAILED), "Degraded"),
    "a replay's end of another version": (replay(Phase.COMPLETE, seen=1), "Progressing"),
}
each_state = pytest.mark.parametrize(
    ("resource", "health"), [pytest.param(*state, id=name) for name, state in STATES.items()]
)
