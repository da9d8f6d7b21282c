"""Whose the group is: one resource's, by its UID in the ledger."""

from __future__ import annotations

from dataclasses import dataclass

from doublegate.contract.resource import IdempotentConsumer
from doublegate.contract.scope import owner_key
from doublegate_operator.core.facts import Binding, Failure, LedgerFacts
from doublegate_operator.core.reasons import Reason
from doublegate_operator.core.status import Finding
from doublegate_operator.core.wanted import BindGroup

__all__ = ["LedgerPlan", "plan_ledger"]


@dataclass(frozen=True, slots=True)
class LedgerPlan:
    """What to write into the ledger, and what is to be said.

    Attributes:
        finding: for LedgerReady.
        bind: to take the group.
        taken: the group is another resource's: only a person can help.
    """

    finding: Finding
    bind: BindGroup | None = None
    taken: bool = False


def plan_ledger(consumer: IdempotentConsumer, ledger: LedgerFacts | Failure) -> LedgerPlan:
    """Take the group if it is nobody's or a deleted resource's; refuse it if it is another's."""
    if isinstance(ledger, Failure):
        return LedgerPlan(Finding("False", ledger.reason, ledger.message))
    uid, binding = consumer.metadata.uid or "", ledger.binding
    group = consumer.spec.kafka.group
    if binding is not None and binding.uid != uid:
        if binding.alive is not False:
            return LedgerPlan(Finding("False", Reason.GROUP_TAKEN, _taken(group, binding)), taken=True)
        finding = Finding(
            "False",
            Reason.PROGRESSING,
            f"Group {group} is taken over next: the resource that had it is deleted.",
        )
        return LedgerPlan(finding, BindGroup(uid, binding.uid))
    if binding is None:
        return LedgerPlan(
            Finding("False", Reason.PROGRESSING, f"Group {group} is nobody's and bound next."),
            BindGroup(uid, None),
        )
    if ledger.policy not in (None, "noeviction"):
        text = (
            f"The server's maxmemory-policy is {ledger.policy}: it may throw entries away and let their "
            "effects happen again. Set noeviction."
        )
        return LedgerPlan(Finding("False", Reason.LEDGER_EVICTS, text))
    return LedgerPlan(Finding("True", Reason.AS_SPECIFIED, f"Group {group} is this resource's."))


def _taken(group: str, binding: Binding) -> str:
    owner = f"{binding.namespace}/{binding.name}"
    text = f"Group {group} belongs to IdempotentConsumer {owner} (uid {binding.uid})."
    if binding.alive is None:
        return (
            f"{text} This operator may not look whether that still exists. Use a group of its own here; or, "
            "if it is gone and no pod of the group runs, delete the key "
            f"{owner_key(group).decode()} from the ledger."
        )
    return f"{text} Delete that one and the group is free, or use a group of its own here."
