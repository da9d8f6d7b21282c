"""The plan of a resource: what to do next, and what to say of it."""

from __future__ import annotations

from doublegate.contract.resource import IdempotentConsumer
from doublegate_operator.core.facts import Observed
from doublegate_operator.core.refusal import refused
from doublegate_operator.core.settings import OperatorSettings
from doublegate_operator.core.wanted import Plan

__all__ = ["plan", "refused"]


def plan(consumer: IdempotentConsumer, observed: Observed, settings: OperatorSettings) -> Plan:
    """What the shell shall do now, from the present state alone."""
    raise NotImplementedError
