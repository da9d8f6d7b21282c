"""Binding, compatibility and rollout, case by case."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from doublegate.contract.scope import owner_key
from doublegate_operator.core.bindings import plan_ledger
from doublegate_operator.core.facts import (
    Binding,
    Failure,
    LedgerFacts,
    PodFacts,
    RegistryFacts,
    WorkloadFacts,
)
from doublegate_operator.core.reasons import Reason
from doublegate_operator.core.rollout import rollout
from doublegate_operator.core.schema import plan_schema
from doublegate_operator.core.wanted import BindGroup, SetCompatibility
from tests.unit.operator.world import UID, World, condition, consumer, pod, said

OTHER = Binding("2b", "shop", "older", alive=True)


@pytest.mark.parametrize(
    ("ledger", "bind", "reason"),
    [
        (LedgerFacts(None), BindGroup(UID, None), Reason.PROGRESSING),
        (LedgerFacts(Binding(UID, "shop", "payments", alive=True)), None, Reason.AS_SPECIFIED),
        (LedgerFacts(Binding(UID, "shop", "payments", alive=None), "noeviction"), None, Reason.AS_SPECIFIED),
        (
            LedgerFacts(Binding(UID, "shop", "payments", alive=True), "volatile-ttl"),
            None,
            Reason.LEDGER_EVICTS,
        ),
        (LedgerFacts(replace(OTHER, alive=False)), BindGroup(UID, "2b"), Reason.PROGRESSING),
        (LedgerFacts(OTHER), None, Reason.GROUP_TAKEN),
        (LedgerFacts(replace(OTHER, alive=None)), None, Reason.GROUP_TAKEN),
        (Failure(Reason.LEDGER_REFUSED, "WRONGPASS"), None, Reason.LEDGER_REFUSED),
    ],
)
def test_whose_the_group_is(ledger: LedgerFacts | Failure, bind: BindGroup | None, reason: Reason) -> None:
    made = plan_ledger(consumer(), ledger)
    assert (made.bind, made.finding.reason) == (bind, reason)
    assert made.taken == (reason is Reason.GROUP_TAKEN)


def test_what_nobody_may_look_at_is_released_by_its_key() -> None:
    made = plan_ledger(consumer(), LedgerFacts(replace(OTHER, alive=None)))
    assert f"delete the key {owner_key('shop').decode()} from the ledger" in made.finding.message


def test_a_taken_group_is_touched_by_nobody_else() -> None:
    made = World(binding=OTHER).step()
    assert said(made, "Stalled") == ("True", "GroupTaken")
    assert said(made, "LedgerReady") == ("False", "GroupTaken")
    assert "belongs to IdempotentConsumer shop/older" in condition(made.status, "Stalled").message
    assert (made.bind, made.topics, made.apply) == (None, (), False)
    assert [event.reason for event in made.events] == [Reason.GROUP_TAKEN]


REGISTRY: dict[str, Any] = {"schema": {"registryUrl": "http://registry:8080", "compatibility": "FULL"}}


@pytest.mark.parametrize(
    ("fields", "registry", "change", "reason"),
    [
        ({}, None, None, Reason.NOT_USED),
        (REGISTRY, RegistryFacts("FULL"), None, Reason.AS_SPECIFIED),
        (REGISTRY, RegistryFacts("NONE"), SetCompatibility("payments-value", "FULL"), Reason.PROGRESSING),
        (REGISTRY, RegistryFacts(None), SetCompatibility("payments-value", "FULL"), Reason.PROGRESSING),
        (REGISTRY, Failure(Reason.REGISTRY_REFUSED, "401"), None, Reason.REGISTRY_REFUSED),
    ],
)
def test_compatibility(
    fields: dict[str, Any],
    registry: RegistryFacts | Failure | None,
    change: SetCompatibility | None,
    reason: Reason,
) -> None:
    made = plan_schema(consumer(**fields), replace(World().observe(), registry=registry))
    assert (made.change, made.finding.reason) == (change, reason)


def holding(name: str, *partitions: int, epoch: int = 5, topic: str = "payments", **more: Any) -> PodFacts:
    held = [{"topic": topic, "partition": number, "epoch": epoch} for number in partitions]
    return pod(name, partitions=held, **more)


TWO = WorkloadFacts(3, 3, 2, 2, 2, 2, "new")
ASSIGNED = (holding("a", 0, 1), holding("b", 2, 3))


@pytest.mark.parametrize(
    ("workload", "pods", "good", "reason"),
    [
        (None, (), False, Reason.PROGRESSING),
        (TWO, ASSIGNED, True, Reason.AS_SPECIFIED),
        (replace(TWO, config_hash="old"), ASSIGNED, False, Reason.ROLLING_OUT),
        (replace(TWO, observed_generation=2), ASSIGNED, False, Reason.ROLLING_OUT),
        (replace(TWO, updated=1), ASSIGNED, False, Reason.ROLLING_OUT),
        (replace(TWO, total=3), ASSIGNED, False, Reason.ROLLING_OUT),  # an old pod still drains
        (replace(TWO, ready=1), ASSIGNED, False, Reason.PODS_NOT_READY),
        (replace(TWO, wanted=1), ASSIGNED, False, Reason.PODS_NOT_READY),  # one is on its way out
        (replace(TWO, problem="exceeded quota"), ASSIGNED, False, Reason.POD_TROUBLE),
        (TWO, (holding("a", 0, 1), holding("b", 2)), False, Reason.NOT_ASSIGNED),
        (TWO, (holding("a", 0, 1), holding("b", 2, 3, epoch=0)), False, Reason.NOT_ASSIGNED),
        (TWO, (holding("a", 0, 1), holding("b", 2, 3, topic="shop.replay")), False, Reason.NOT_ASSIGNED),
        (TWO, (holding("a", 0, 1), PodFacts("b", ready=True)), False, Reason.NOT_ASSIGNED),
        (TWO, (holding("a", 0, 1, 2, 3), holding("b")), True, Reason.AS_SPECIFIED),
        (WorkloadFacts(1, 1, 0, 0, 0, 0, "new"), (), True, Reason.IDLE),
    ],
)
def test_rollout(
    workload: WorkloadFacts | None, pods: tuple[PodFacts, ...], good: bool, reason: Reason
) -> None:
    found = rollout(workload, pods, "payments", 4, "new")
    assert (found.good, found.reason) == (good, reason)


def test_the_trouble_of_a_pod_is_told() -> None:
    broken = PodFacts("b", ready=False, trouble="CrashLoopBackOff: exit code 3")
    found = rollout(replace(TWO, ready=1, updated=1), (ASSIGNED[0], broken), "payments", 4, "new")
    assert found.reason is Reason.POD_TROUBLE
    assert found.message == "Pod b: CrashLoopBackOff: exit code 3"


def test_nobody_is_ready_by_an_old_template() -> None:
    found = rollout(replace(TWO, config_hash="old"), ASSIGNED, "payments", 4, "new")
    assert found.message == "0 of 2 pods have the newest configuration."
