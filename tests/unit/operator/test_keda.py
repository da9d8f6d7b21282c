"""KEDA's arithmetic as it was measured (keda#4483, keda#2908), and ours, which is exact."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from doublegate_operator.core.facts import Binding, KafkaAuth, KafkaFacts, LedgerFacts, Observed, TopicFacts
from doublegate_operator.core.plan import plan
from doublegate_operator.core.wanted import Plan
from tests.unit.operator.keda_model import Scaler
from tests.unit.operator.world import BROKER, NOW, SETTINGS, UID, World, consumer, object_of, said

LAGS = (5, 15, 35, 59, 61, 200, 100_000)

MEASURED = [
    # allowIdleConsumers, maxReplicaCount: pods at each lag; 6 partitions, threshold 10
    (False, 6, (1, 2, 4, 6, 6, 6, 6)),
    (False, 100, (1, 2, 4, 6, 7, 6, 6)),
    (True, 6, (1, 2, 4, 6, 6, 6, 6)),
    (True, 100, (1, 2, 4, 6, 7, 20, 100)),
]


def planned(partitions: int, **fields: object) -> Plan:
    resource = consumer(kafka__partitions=partitions, **fields)
    kafka = KafkaFacts({"payments": TopicFacts(partitions, 3, BROKER)}, 3)
    ledger = LedgerFacts(Binding(UID, "shop", "payments", alive=True))
    return plan(resource, Observed(now=NOW, kafka=kafka, ledger=ledger), SETTINGS)


def ours(partitions: int, most: int = 100, threshold: int = 10) -> Scaler:
    made = planned(
        partitions,
        scaling__maxReplicas=most,
        scaling__initialRate=threshold / 10,
        scaling__targetDrain="10s",
    )
    return Scaler.of(object_of(made, "ScaledObject"))


@pytest.mark.parametrize(("idle", "maximum", "pods"), MEASURED)
def test_the_model_gives_what_was_measured(idle: bool, maximum: int, pods: tuple[int, ...]) -> None:
    scaler = Scaler(10, maximum, idle)
    assert tuple(scaler.settled(lag, 6) for lag in LAGS) == pods


def test_keda_4483_a_pod_more_than_partitions() -> None:
    assert Scaler(10, 100, idle=False).settled(35, 3) == 4
    assert ours(3).settled(35, 3) == 3


@pytest.mark.parametrize(("partitions", "start", "stuck"), [(11, 10, 10), (22, 20, 20), (12, 11, 11)])
def test_keda_2908_stuck_below_the_partitions(partitions: int, start: int, stuck: int) -> None:
    assert Scaler(10, 100, idle=False).settled(100_000, partitions, start) == stuck
    assert Scaler(10, partitions, idle=True).settled(100_000, partitions, start) == partitions
    assert ours(partitions).settled(100_000, partitions, start) == partitions


@pytest.mark.parametrize("partitions", [3, 11, 12, 22])
def test_the_cap_is_exact_without_the_tolerance_too(partitions: int) -> None:
    """Clusters before 1.33 do not know the field."""
    older = replace(ours(partitions), tolerance=Fraction(1, 10))
    assert all(older.settled(100_000, partitions, start) == partitions for start in range(1, partitions + 1))


@pytest.mark.parametrize(("rate", "drain", "threshold"), [(0.05, "30s", 2), (0.001, "1s", 1), (7, "1m", 420)])
def test_the_threshold_is_a_whole_number_of_events(rate: float, drain: str, threshold: int) -> None:
    made = planned(3, scaling__initialRate=rate, scaling__targetDrain=drain)
    assert Scaler.of(object_of(made, "ScaledObject")).threshold == threshold


def test_the_tolerance_keeps_the_last_pod_away_below_the_cap() -> None:
    assert Scaler(10, 12, idle=True).settled(110, 12, 10) == 10
    assert ours(12).settled(110, 12, 10) == 11


@settings(deadline=None)
@given(st.integers(1, 100), st.integers(1, 100), st.integers(1, 50), st.integers(0, 10**6), st.data())
def test_ours_is_exact(partitions: int, most: int, threshold: int, lag: int, data: st.DataObject) -> None:
    cap = min(partitions, most)
    start = data.draw(st.integers(1, cap))
    scaler = ours(partitions, most, threshold)
    assert scaler.threshold == threshold
    exact = min(cap, max(1, -(-lag // threshold)))
    # Down, the tolerance may keep one pod too many: it never costs drain time.
    settled = scaler.settled(lag, partitions, start)
    assert settled == exact or (start > exact and settled <= min(cap, exact / 0.9))
    assert scaler.settled(lag, partitions, 1) == exact


def test_the_cap_follows_the_real_partitions_and_is_told() -> None:
    world = World(resource=consumer(scaling__maxReplicas=20, kafka__partitions=6))
    made = world.settle()
    assert object_of(made, "ScaledObject")["spec"]["maxReplicaCount"] == 6
    assert said(made, "ScalingReady") == ("True", "CappedAtPartitions")
    world.topics["payments"] = replace(world.topics["payments"], partitions=9)  # somebody grew it
    assert object_of(world.settle(), "ScaledObject")["spec"]["maxReplicaCount"] == 9


def test_a_minimum_above_the_cap_is_lowered() -> None:
    made = planned(2, scaling__minReplicas=5, scaling__maxReplicas=8)
    spec = object_of(made, "ScaledObject")["spec"]
    assert (spec["minReplicaCount"], spec["maxReplicaCount"]) == (2, 2)


def test_down_goes_one_by_one_and_to_zero_only_after_that() -> None:
    spec = object_of(planned(12, scaling__minReplicas=0), "ScaledObject")["spec"]
    down = spec["advanced"]["horizontalPodAutoscalerConfig"]["behavior"]["scaleDown"]
    assert down["policies"] == [{"type": "Pods", "value": 1, "periodSeconds": 60}]
    steps = down["stabilizationWindowSeconds"] + 11 * (60 + 15)
    assert spec["cooldownPeriod"] >= steps


def test_a_sleeping_group_wakes_for_its_replays_too() -> None:
    triggers = object_of(planned(3, scaling__minReplicas=0), "ScaledObject")["spec"]["triggers"]
    assert [one["metadata"]["topic"] for one in triggers] == ["payments", "shop.replay"]
    one_pod = int(triggers[1]["metadata"]["lagThreshold"])
    assert -(-(10**12) // one_pod) == 1
    awake = object_of(planned(3, scaling__minReplicas=1), "ScaledObject")["spec"]["triggers"]
    assert len(awake) == 1


def test_paused_keeps_the_number_of_pods() -> None:
    metadata = object_of(planned(3, paused=True), "ScaledObject")["metadata"]
    assert metadata["annotations"] == {"autoscaling.keda.sh/paused": "true"}
    assert "annotations" not in object_of(planned(3), "ScaledObject")["metadata"]


def test_without_keda_the_rest_is_made() -> None:
    made = World(keda=False).settle()
    assert said(made, "ScalingReady") == ("False", "KedaMissing")
    kinds = [one["kind"] for one in made.objects]
    assert "ScaledObject" not in kinds
    assert "Deployment" in kinds


def test_manual_leaves_the_number_alone() -> None:
    world = World()
    world.settle()
    world.resource = consumer(2, scaling__mode="Manual")
    made = world.settle()
    assert ("ScaledObject", "payments") not in world.objects
    assert said(made, "ScalingReady") == ("True", "Manual")
    assert made.prune


def login(auth: KafkaAuth) -> Plan:
    resource = consumer(kafka__securityRef="kafka-login", kafka__partitions=3)
    kafka = KafkaFacts({"payments": TopicFacts(3, 3, BROKER)}, 3, auth=auth)
    ledger = LedgerFacts(Binding(UID, "shop", "payments", alive=True))
    observed = Observed(now=NOW, kafka=kafka, ledger=ledger, secrets={"kafka-login": "print"})
    return plan(resource, observed, SETTINGS)


@pytest.mark.parametrize(
    ("auth", "metadata", "parameters"),
    [
        (
            KafkaAuth("SASL_SSL", "SCRAM-SHA-512", ca=True),
            {"sasl": "scram_sha512", "tls": "enable"},
            {"username": "username", "password": "password", "ca": "ca.crt"},
        ),
        (
            KafkaAuth("SASL_PLAINTEXT", "PLAIN"),
            {"sasl": "plaintext"},
            {"username": "username", "password": "password"},
        ),
        (
            KafkaAuth("SSL", ca=True, certificate=True),
            {"tls": "enable"},
            {"ca": "ca.crt", "cert": "tls.crt", "key": "tls.key"},
        ),
        (KafkaAuth("SSL"), {"tls": "enable"}, None),
        (KafkaAuth("PLAINTEXT"), {}, None),
    ],
)
def test_keda_reads_the_secret_itself(
    auth: KafkaAuth, metadata: dict[str, str], parameters: dict[str, str] | None
) -> None:
    made = login(auth)
    trigger = object_of(made, "ScaledObject")["spec"]["triggers"][0]
    assert {
        key: trigger["metadata"][key] for key in ("sasl", "tls") if key in trigger["metadata"]
    } == metadata
    if parameters is None:
        assert "authenticationRef" not in trigger
        assert all(one["kind"] != "TriggerAuthentication" for one in made.objects)
        return
    assert trigger["authenticationRef"] == {"name": "payments"}
    refs = object_of(made, "TriggerAuthentication")["spec"]["secretTargetRef"]
    assert {ref["parameter"]: ref["key"] for ref in refs} == parameters
    assert {ref["name"] for ref in refs} == {"kafka-login"}
