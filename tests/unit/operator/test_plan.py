"""The whole plan: it comes to rest, says the same of the same, and never tells half."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from doublegate.contract.record import Field, Kind
from doublegate_operator.core.facts import Binding, Failure, LatestSchema, TopicFacts
from doublegate_operator.core.plan import plan, refused
from doublegate_operator.core.reasons import ConditionType, Reason
from tests.unit.operator.world import BROKER, NOW, SETTINGS, UID, World, condition, consumer, said

AWAY = Failure(Reason.KAFKA_UNAVAILABLE, "no broker answers at kafka:9092")
LEDGER_AWAY = Failure(Reason.LEDGER_UNAVAILABLE, "valkey:6379 refuses connections")
REGISTRY_AWAY = Failure(Reason.REGISTRY_UNAVAILABLE, "registry:8080 does not answer")
REGISTRY = {"registryUrl": "http://registry:8080"}
READING: dict[str, Any] = {**REGISTRY, "reads": {"amount": {"required": True, "takes": ["integer"]}}}
INTEGER = Field("long", frozenset({Kind.INTEGER}))
READABLE = LatestSchema(1, {"amount": INTEGER})
UNREADABLE = LatestSchema(2, {"price": INTEGER})
UNCLEAR = LatestSchema(3, unclear="it refers to other subjects")

topics = st.dictionaries(
    st.sampled_from(["payments", "shop.dlq", "shop.replay"]),
    st.builds(
        TopicFacts,
        st.integers(1, 24),
        st.integers(1, 3),
        st.fixed_dictionaries(
            {
                "max.message.bytes": st.sampled_from(["1000", "1048588", "2000000"]),
                "min.insync.replicas": st.sampled_from(["1", "2", "3"]),
                "cleanup.policy": st.sampled_from(["delete", "compact"]),
                "retention.ms": st.sampled_from(["-1", "1209600000"]),
            }
        ),
    ),
)
resources = st.builds(
    lambda generation, paused, low, mode, growth, partitions, registry: consumer(
        generation,
        paused=paused,
        kafka__partitions=partitions,
        kafka__allowPartitionGrowth=growth,
        scaling__minReplicas=low,
        scaling__mode=mode,
        **({"schema": registry} if registry else {}),
    ),
    st.integers(1, 5),
    st.booleans(),
    st.integers(0, 3),
    st.sampled_from(["Keda", "Manual"]),
    st.booleans(),
    st.integers(1, 24),
    st.sampled_from([None, REGISTRY, READING]),
)
worlds = st.builds(
    World,
    resource=resources,
    topics=topics,
    brokers=st.integers(1, 4),
    binding=st.sampled_from(
        [None, Binding(UID, "shop", "payments", True), Binding("other", "a", "b", False)]
    ),
    policy=st.sampled_from([None, "noeviction", "allkeys-lru"]),
    latest=st.sampled_from([None, READABLE, UNREADABLE, UNCLEAR]),
    keda=st.booleans(),
    replicas=st.integers(0, 4),
    lag=st.none() | st.integers(0, 10**6),
    committed=st.none() | st.integers(0, 10**9),
    capacity=st.floats(0, 1e5),
    kafka_failure=st.none() | st.just(AWAY),
    ledger_failure=st.none() | st.just(LEDGER_AWAY),
    registry_failure=st.none() | st.just(REGISTRY_AWAY),
)


def test_from_nothing_to_ready() -> None:
    world = World(resource=consumer(schema=REGISTRY))
    first = world.step()
    assert first.bind is not None
    assert first.bind.former is None
    assert not first.topics  # the group first: somebody else's topics are not ours to touch
    assert not first.apply
    assert first.changing
    assert said(first, "Ready") == ("False", "Progressing")
    assert said(first, "Reconciling") == ("True", "Progressing")
    assert said(world.settle(), "Ready") == ("True", "AsSpecified")
    assert set(world.topics) == {"payments", "shop.dlq", "shop.replay"}
    assert world.compatibility == "FULL_TRANSITIVE"


@settings(deadline=None)
@given(worlds)
def test_every_world_comes_to_rest_and_stays_there(world: World) -> None:
    world.settle()
    again = world.step()
    assert not again.changing
    assert (again.topics, again.compatibility, again.bind) == ((), None, None)


@settings(deadline=None)
@given(worlds)
def test_the_same_facts_give_the_same_plan(world: World) -> None:
    world.step()
    observed = world.observe()
    made = plan(world.resource, observed, SETTINGS)
    assert plan(world.resource, observed, SETTINGS) == made
    # ... and what it wrote at the same instant adds nothing: no figure counts looks.
    again = plan(world.resource, replace(observed, status=made.status), SETTINGS)
    assert again.status == made.status
    assert again.objects == made.objects
    assert {event.reason for event in again.events} <= {
        Reason.TOPIC_CREATED,
        Reason.TOPIC_GROWN,
        Reason.TOPIC_CONFIGURED,
        Reason.COMPATIBILITY_SET,
    }


@settings(deadline=None)
@given(worlds)
def test_conditions_are_complete_and_of_this_generation(world: World) -> None:
    for _ in range(3):
        status = world.step(seconds=5).status
        assert [c.type for c in status.conditions] == [kind.value for kind in ConditionType]
        generation = world.resource.metadata.generation
        assert status.observed_generation == generation
        assert all(c.observed_generation == generation for c in status.conditions)
        truth = {c.type: c.status for c in status.conditions}
        # kstatus: exactly one of in progress, failed, and current.
        assert [truth["Ready"], truth["Reconciling"], truth["Stalled"]].count("True") == 1
        if truth["Ready"] == "True":
            assert all(truth[part] == "True" for part in ("TopicsReady", "LedgerReady", "ScalingReady"))
            assert truth["SchemaCompatible"] != "False"  # a schema that can't be judged is nobody's fault


def test_a_transition_keeps_its_time_until_the_status_changes() -> None:
    world = World()
    world.settle()
    since = condition(world.step(seconds=60).status, "Ready").last_transition_time
    assert condition(world.step(seconds=60).status, "Ready").last_transition_time == since
    world.ready = 0
    lost = condition(world.step(seconds=60).status, "Ready")
    assert (lost.status, lost.reason) == ("False", "PodsNotReady")
    assert lost.last_transition_time > since


def test_a_new_generation_is_not_ready_before_its_pods_are() -> None:
    world = World()
    world.settle()
    world.resource = consumer(2, retries__attempts=2)
    made = world.step()
    assert said(made, "Ready") == ("False", "RollingOut")
    assert said(made, "Reconciling") == ("True", "RollingOut")
    assert made.status.observed_generation == 2
    assert said(world.step(), "Ready") == ("True", "AsSpecified")


def test_the_number_of_pods_moves_no_partition() -> None:
    world = World()
    world.settle()
    before = world.objects["Deployment", "payments"]
    world.resource = consumer(2, scaling__maxReplicas=5, scaling__targetDrain="1m")
    world.settle()
    assert world.objects["Deployment", "payments"] == before


def test_a_changed_secret_rolls_the_pods() -> None:
    world = World(resource=consumer(ledger__secretRef="valkey"), secrets={"valkey": "one"})
    before = world.settle().status.config_hash
    world.secrets["valkey"] = "two"
    assert said(world.step(), "Ready") == ("False", "RollingOut")
    assert world.settle().status.config_hash != before


def test_a_missing_secret_needs_a_person_and_touches_nothing() -> None:
    world = World(resource=consumer(ledger__secretRef="valkey"), secrets={"valkey": None})
    made = world.step()
    assert said(made, "Stalled") == ("True", "SecretMissing")
    assert "Secret valkey is missing in namespace shop" in condition(made.status, "Stalled").message
    assert (made.bind, made.topics, made.apply, made.changing) == (None, (), False, False)


def test_without_kafka_everything_stays() -> None:
    world = World(lag=5)
    world.settle()
    world.kafka_failure = AWAY
    made = world.step()
    assert not made.apply
    assert said(made, "TopicsReady") == ("False", "KafkaUnavailable")
    assert said(made, "Ready") == ("False", "KafkaUnavailable")
    assert said(made, "Reconciling") == ("True", "KafkaUnavailable")
    assert said(made, "Stalled")[0] == "False"
    assert made.status.lag is None  # an old number would look like a fact
    world.kafka_failure = None
    assert said(world.step(), "Ready")[0] == "True"


def test_without_the_ledger_nothing_starts_and_what_runs_is_kept() -> None:
    new = World(ledger_failure=LEDGER_AWAY)
    made = new.step()
    assert (made.apply, made.topics) == (False, ())
    running = World()
    running.settle()
    running.ledger_failure = LEDGER_AWAY
    running.pod_status = {"paused": ["ledger"]}
    made = running.step()
    assert made.apply
    assert said(made, "LedgerReady") == ("False", "LedgerUnavailable")
    assert made.status.scaling is not None
    assert made.status.scaling.reason == "FrozenLedger"


def test_without_the_registry_pods_are_kept_up() -> None:
    world = World(resource=consumer(schema=REGISTRY), registry_failure=REGISTRY_AWAY)
    made = world.settle()
    assert made.apply
    assert said(made, "SchemaCompatible") == ("False", "RegistryUnavailable")
    assert said(made, "Ready") == ("False", "RegistryUnavailable")


def test_an_evicting_ledger_is_not_ready() -> None:
    made = World(policy="allkeys-lru").settle()
    assert said(made, "LedgerReady") == ("False", "LedgerEvicts")
    assert made.apply


def test_a_failing_part_is_asked_less_and_less_often() -> None:
    world = World(kafka_failure=AWAY)
    waits = [world.step(seconds=10).again for _ in range(10)]
    assert waits == sorted(waits)
    assert waits[0] == 2.0
    assert waits[-1] == 30.0


def test_events_are_said_once() -> None:
    world = World(resource=consumer(ledger__ttl="1s", scaling__maxReplicas=20), kafka_failure=AWAY)
    world.binding = Binding(UID, "shop", "payments", alive=True)
    first = [event.reason for event in world.step(seconds=1).events]
    assert first == [Reason.TTL_TOO_SHORT, Reason.KAFKA_UNAVAILABLE]
    assert not world.step().events
    world.kafka_failure = None
    seen = [event.reason for _ in range(6) for event in world.step(seconds=1).events]
    assert seen.count(Reason.TOPIC_CREATED) == 3
    assert seen.count(Reason.CAPPED_AT_PARTITIONS) == 1
    assert seen.count(Reason.AS_SPECIFIED) == 1


def test_a_short_ttl_is_told_and_not_refused() -> None:
    made = World(resource=consumer(ledger__ttl="1s")).settle()
    assert said(made, "Ready") == ("True", "AsSpecified")
    assert "Raise ledger.ttl" in condition(made.status, "LedgerReady").message


def test_paused_says_so_and_stays_ready() -> None:
    world = World(resource=consumer(paused=True), pod_status={"paused": ["spec"]})
    made = world.settle()
    assert said(made, "Paused") == ("True", "Paused")
    assert said(made, "Ready")[0] == "True"
    world.resource = consumer(2)
    world.pod_status = {"paused": ["breaker", "reservoir"]}
    made = world.settle()
    assert said(made, "Paused") == ("True", "Paused")
    assert "breaker" in condition(made.status, "Paused").message
    world.pod_status = {"paused": ["reservoir"]}  # a full buffer is what work looks like
    assert said(world.settle(), "Paused") == ("False", "AsSpecified")


@pytest.mark.parametrize("given_resource", [{}, {"metadata": 3}, {"metadata": {"generation": "x"}}])
def test_a_refusal_bears_any_resource(given_resource: dict[str, object]) -> None:
    made = refused(given_resource, None, NOW, Reason.INVALID, "spec.kafka: given nothing")
    assert said(made, "Stalled") == ("True", "Invalid")
    assert said(made, "Reconciling")[0] == "False"
    assert not made.apply


def test_a_refusal_keeps_figures_and_says_it_once() -> None:
    world = World(lag=7)
    world.settle()
    resource = {"metadata": {"generation": 9}}
    made = refused(resource, world.status, NOW, Reason.UNSUPPORTED, "spec.filter.snapshots: Volume")
    assert made.status.lag == 7
    assert {c.observed_generation for c in made.status.conditions} == {9}
    assert [event.reason for event in made.events] == [Reason.UNSUPPORTED]
    again = refused(resource, made.status, NOW, Reason.UNSUPPORTED, "spec.filter.snapshots: Volume")
    assert not again.events
    assert again.status == made.status


def test_without_any_image_a_person_is_needed() -> None:
    world = World(resource=consumer(image=None))
    made = world.step()
    assert said(made, "Stalled") == ("True", "Invalid")
    assert "spec.image" in condition(made.status, "Stalled").message
    with_default = replace(SETTINGS, consumer_image="registry.example/consumer:1")
    assert said(plan(world.resource, world.observe(), with_default), "Stalled")[0] == "False"


def test_saturation_is_told_once() -> None:
    world = World()
    world.settle()
    world.pod_status = {"filter": {"fill": 1.2, "warm": 2, "predictedFalsePositiveRate": 0.002}}
    made = world.step()
    assert [event.reason for event in made.events] == [Reason.SATURATED]
    assert made.status.filter is not None
    assert made.status.filter.fill == 1.2
    assert not world.step().events


def test_what_brokers_say_by_default_is_known() -> None:
    world = World(topics={"payments": TopicFacts(3, 1, BROKER)})
    assert said(world.settle(), "TopicsReady")[1] == "PartitionGrowthForbidden"
