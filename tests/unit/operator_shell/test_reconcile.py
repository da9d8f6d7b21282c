"""Looks at a resource, with an API server in memory and parts that answer what a test says."""

from __future__ import annotations

import asyncio
import copy
import logging
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from doublegate_operator.core.facts import Binding, Failure
from doublegate_operator.core.reasons import Reason
from doublegate_operator.core.settings import OperatorSettings
from doublegate_operator.core.wanted import BindGroup, CreateTopic
from doublegate_operator.shell.around import Around
from doublegate_operator.shell.events import Events
from doublegate_operator.shell.kinds import (
    CONSUMER,
    DEPLOYMENT,
    NETWORK_POLICY,
    OWNED,
    SCALED_OBJECT,
    SERVICE,
)
from doublegate_operator.shell.metrics import Metrics
from doublegate_operator.shell.reconcile import Reconciler
from doublegate_operator.shell.view import View
from tests.unit.operator_shell.fakes import FakeKube, FakeParts, resource, see_all

if TYPE_CHECKING:
    from doublegate_operator.shell.kinds import Kind


NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
"""The status tells when it looked; time that passes would make it another one."""


class Rig:
    """A reconciler and all around it."""

    def __init__(self) -> None:
        self.kube, self.parts = FakeKube(), FakeParts()
        self.reconciler = self.restarted()

    def restarted(self) -> Reconciler:
        """With nothing in memory."""
        kube: Any = self.kube
        self.view = View()
        self.metrics = Metrics(self.view, lambda: 0, lambda: self.kube.calls)
        events = Events(kube, "op-1")
        self.reconciler = Reconciler(
            Around(kube, self.view, self.parts, events, OperatorSettings(), self.metrics, lambda: NOW)
        )
        return self.reconciler

    def look(self) -> float | None:
        see_all(self.kube, self.view)
        return asyncio.run(self.reconciler.look("shop", "payments"))

    def settle(self) -> None:
        for _ in range(10):
            before = len(self.kube.writes), len(self.parts.done)
            self.look()
            if (len(self.kube.writes), len(self.parts.done)) == before:
                return
        raise AssertionError(f"it never comes to rest: {self.kube.writes[-9:]}")

    def of(self, kind: Kind, name: str = "payments") -> dict[str, Any]:
        return copy.deepcopy(self.kube.objects[kind, "shop", name])

    def condition(self, kind: str) -> tuple[str, str]:
        [found] = [c for c in self.of(CONSUMER)["status"]["conditions"] if c["type"] == kind]
        return found["status"], found["reason"]


@pytest.fixture
def rig() -> Rig:
    made = Rig()
    made.kube.put(CONSUMER, resource())
    return made


def test_from_nothing_the_group_first_then_topics_then_objects_then_rest(rig: Rig) -> None:
    assert rig.look() == pytest.approx(0.1, rel=0.2)  # bound: on at once
    assert [type(change) for change in rig.parts.done] == [BindGroup]
    assert not any(write.startswith("apply") for write in rig.kube.writes)
    rig.settle()
    made = [change.name for change in rig.parts.done if isinstance(change, CreateTopic)]
    assert made[0] == "payments"
    assert len(made) == 3
    kinds = {kind for kind, _, _ in rig.kube.objects if kind in OWNED}
    assert {DEPLOYMENT, SERVICE, NETWORK_POLICY, SCALED_OBJECT} <= kinds
    assert rig.of(DEPLOYMENT)["metadata"]["ownerReferences"][0]["uid"] == "u-1"
    assert "TopicCreated" in rig.kube.events()


def test_a_look_at_what_is_as_it_should_be_asks_the_api_nothing(rig: Rig) -> None:
    rig.settle()
    calls = rig.kube.calls
    again = rig.look()
    assert again is not None
    assert again >= 1
    assert rig.kube.calls == calls


def test_a_restarted_operator_applies_each_object_once_and_changes_nothing(rig: Rig) -> None:
    rig.settle()
    versions = {where: raw["metadata"]["resourceVersion"] for where, raw in rig.kube.objects.items()}
    rig.restarted()
    rig.look()
    calls = rig.kube.calls
    rig.look()
    assert rig.kube.calls == calls
    assert "DriftRepaired" not in rig.kube.events()
    assert {w: r["metadata"]["resourceVersion"] for w, r in rig.kube.objects.items()} == versions


@pytest.mark.parametrize("how", ["changed", "deleted"])
def test_drift_is_repaired_and_told(rig: Rig, how: str) -> None:
    rig.settle()
    policy = rig.of(NETWORK_POLICY)
    spec = policy["spec"]
    if how == "changed":
        rig.kube.put(NETWORK_POLICY, {**policy, "spec": {**spec, "ingress": []}})
    else:
        del rig.kube.objects[NETWORK_POLICY, "shop", "payments"]
    rig.look()
    assert rig.of(NETWORK_POLICY)["spec"] == spec
    assert rig.kube.events().count("DriftRepaired") == 1


def test_what_is_not_ours_in_an_object_is_left_and_not_called_drift(rig: Rig) -> None:
    rig.settle()
    deployment = rig.of(DEPLOYMENT)
    rig.kube.put(DEPLOYMENT, {**deployment, "spec": {**deployment["spec"], "replicas": 5}})
    rig.settle()
    assert rig.of(DEPLOYMENT)["spec"]["replicas"] == 5
    assert "DriftRepaired" not in rig.kube.events()


def test_what_is_no_longer_wanted_is_deleted_and_others_objects_are_not(rig: Rig) -> None:
    rig.settle()
    foreign = rig.of(SERVICE) | {"metadata": {**rig.of(SERVICE)["metadata"], "name": "mine"}}
    foreign["metadata"] = {**foreign["metadata"], "ownerReferences": [], "uid": "theirs"}
    rig.kube.put(SERVICE, foreign)
    rig.kube.put(CONSUMER, resource(2, scaling={"mode": "Manual"}) | {"status": rig.of(CONSUMER)["status"]})
    rig.settle()
    assert (SCALED_OBJECT, "shop", "payments") not in rig.kube.objects
    assert rig.of(SERVICE, "mine")
    assert [write for write in rig.kube.writes if write.startswith("delete")] == [
        "delete ScaledObject payments"
    ]


def test_somebody_elses_object_is_not_taken_over(rig: Rig) -> None:
    theirs = {"apiVersion": "apps/v1", "kind": "Deployment", "spec": {"template": {"metadata": {}}}}
    theirs["metadata"] = {"name": "payments", "namespace": "shop", "uid": "theirs"}
    rig.kube.put(DEPLOYMENT, theirs)
    for _ in range(5):
        rig.look()
    assert rig.of(DEPLOYMENT)["spec"] == theirs["spec"]
    assert rig.condition("Ready") == ("False", "ConflictingObject")
    assert rig.kube.events().count("ConflictingObject") == 1


def test_an_object_that_the_api_refuses_stops_no_other_and_is_told(rig: Rig) -> None:
    rig.kube.refuses = {SERVICE}
    for _ in range(5):
        rig.look()
    assert rig.of(DEPLOYMENT)
    assert rig.condition("Ready") == ("False", "ApiRefused")
    assert rig.condition("Reconciling")[0] == "True"
    rig.kube.refuses = set()
    rig.settle()
    assert rig.condition("Ready")[1] != "ApiRefused"


def test_kafka_away_is_a_condition_and_touches_nothing(rig: Rig) -> None:
    rig.settle()
    before = {where: raw for where, raw in rig.kube.objects.items() if where[0] in OWNED}
    rig.parts.kafka_failure = Failure(Reason.KAFKA_UNAVAILABLE, "no broker answers at kafka:9092")
    del rig.kube.objects[NETWORK_POLICY, "shop", "payments"]
    assert rig.look() is not None
    assert rig.condition("TopicsReady") == ("False", "KafkaUnavailable")
    assert rig.condition("Ready")[0] == "False"
    rig.parts.kafka_failure = None
    rig.settle()
    assert {where: raw["spec"] for where, raw in rig.kube.objects.items() if "spec" in raw}.keys() >= {
        where for where in before if "spec" in before[where]
    }


def test_a_part_that_fails_as_nobody_expected_is_logged_once_and_hides_no_other(
    rig: Rig, caplog: pytest.LogCaptureFixture
) -> None:
    rig.settle()
    rig.parts.surprise = ValueError("sasl.password=hunter2")
    with caplog.at_level(logging.INFO):
        for _ in range(4):
            rig.look()
    assert rig.condition("TopicsReady")[0] == "False"
    assert rig.condition("LedgerReady")[0] == "True"
    assert sum("asking Kafka" in record.getMessage() for record in caplog.records) == 1
    assert "hunter2" not in str(rig.of(CONSUMER)["status"])
    rig.parts.surprise = None
    rig.settle()
    assert rig.condition("TopicsReady")[0] == "True"


def test_a_change_that_kafka_refuses_is_told_and_not_called_done(rig: Rig) -> None:
    rig.parts.change_failure = Failure(Reason.KAFKA_REFUSED, "not authorized to create topics")
    for _ in range(4):
        again = rig.look()
    assert again is not None
    assert again >= 1  # not at once
    assert rig.condition("TopicsReady") == ("False", "KafkaRefused")
    assert "TopicCreated" not in rig.kube.events()
    assert rig.kube.events().count("KafkaRefused") == 1


def test_a_group_of_another_is_stalled_and_free_once_that_is_deleted(rig: Rig) -> None:
    rig.kube.put(CONSUMER, resource(uid="u-2", name="other"))
    rig.parts.binding = Binding("u-2", "shop", "other", alive=True)
    for _ in range(3):
        rig.look()
    assert rig.condition("Stalled") == ("True", "GroupTaken")
    assert rig.parts.done == []
    del rig.kube.objects[CONSUMER, "shop", "other"]
    rig.look()
    assert rig.parts.done == [BindGroup("u-1", "u-2")]


def test_an_invalid_resource_is_refused_and_what_runs_is_left(rig: Rig) -> None:
    rig.settle()
    deployment = rig.of(DEPLOYMENT)
    wrong = resource(2, handler={"python": "not a path", "timeout": "soon"})
    rig.kube.put(CONSUMER, wrong | {"status": rig.of(CONSUMER)["status"]})
    rig.look()
    assert rig.condition("Stalled") == ("True", "Invalid")
    assert rig.of(CONSUMER)["status"]["observedGeneration"] == 2
    assert rig.of(DEPLOYMENT) == deployment
    calls = rig.kube.calls
    rig.look()
    assert rig.kube.calls == calls


def test_an_unsupported_value_is_refused(rig: Rig) -> None:
    rig.kube.put(CONSUMER, resource(filter={"expectedRate": 100, "snapshots": "Volume"}))
    rig.look()
    assert rig.condition("Stalled") == ("True", "Unsupported")


def test_gone_and_going_resources_are_left_alone(rig: Rig) -> None:
    rig.settle()
    going = rig.of(CONSUMER)
    going["metadata"]["deletionTimestamp"] = "2026-03-01T12:00:00Z"
    rig.kube.put(CONSUMER, going)
    del rig.kube.objects[DEPLOYMENT, "shop", "payments"]
    writes = list(rig.kube.writes)
    assert rig.look() is None
    del rig.kube.objects[CONSUMER, "shop", "payments"]
    assert rig.look() is None
    assert rig.kube.writes == writes


def test_a_resource_made_anew_in_between_gets_no_status_of_the_old(rig: Rig) -> None:
    see_all(rig.kube, rig.view)
    rig.kube.put(CONSUMER, resource(uid="u-2"))
    asyncio.run(rig.reconciler.look("shop", "payments"))
    assert "status" not in rig.of(CONSUMER)


def test_changes_without_end_are_slowed_down(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    async def nothing(*_: Any) -> None:
        return None

    rig.settle()
    rig.parts.topics.clear()
    monkeypatch.setattr(rig.parts, "change_topics", nothing)
    waits = [rig.look() for _ in range(12)]
    assert all(wait is not None for wait in waits)
    assert waits[0] < 0.2  # type: ignore[operator]
    assert waits[-1] > 1  # type: ignore[operator]


def test_an_older_crd_is_told_aloud(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = rig.kube.write_status

    async def pruned(kind: Kind, of: dict[str, Any], status: dict[str, Any]) -> dict[str, Any] | None:
        return await whole(kind, of, {key: value for key, value in status.items() if key != "conditions"})

    monkeypatch.setattr(rig.kube, "write_status", pruned)
    rig.look()
    rig.look()
    assert rig.kube.events().count("SchemaOutdated") == 1


def test_looks_are_counted_by_their_end(rig: Rig) -> None:
    rig.settle()
    rig.look()
    page = rig.metrics.page().decode()
    assert 'doublegate_operator_reconcile_total{outcome="done"}' in page
    assert 'doublegate_operator_resources{kind="IdempotentConsumer",ready="False"} 1.0' in page
