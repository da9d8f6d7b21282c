"""The group's topics, case by case."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from doublegate_operator.core.facts import KafkaFacts, TopicFacts
from doublegate_operator.core.reasons import Reason
from doublegate_operator.core.topics import TopicsPlan, plan_topics
from doublegate_operator.core.wanted import CreateTopic, GrowTopic, SetTopicConfig
from tests.unit.operator.world import BROKER, consumer

OWN = BROKER | {
    "min.insync.replicas": "2",
    "retention.ms": "1209600000",
    "max.message.bytes": str(1048588 + 65536),
}
SOURCE = TopicFacts(12, 3, BROKER | {"min.insync.replicas": "2", "retention.ms": "604800000"})
DLQ = TopicFacts(12, 3, OWN)
REPLAY = TopicFacts(1, 3, OWN)
RIGHT = {"payments": SOURCE, "shop.dlq": DLQ, "shop.replay": REPLAY}


def planned(topics: dict[str, TopicFacts], brokers: int = 3, **fields: Any) -> TopicsPlan:
    return plan_topics(consumer(**fields).spec, KafkaFacts(topics, brokers))


def test_right_is_right() -> None:
    made = planned(RIGHT)
    assert made.changes == ()
    assert made.finding.good
    assert made.partitions == 12


def test_the_source_is_made_as_specified_and_first() -> None:
    made = planned({}, kafka__partitions=7, kafka__replicationFactor=2, kafka__minInsyncReplicas=1)
    assert made.changes == (CreateTopic("payments", 7, 2, {"min.insync.replicas": "1"}),)
    assert made.partitions is None


def test_its_companions_follow_what_it_really_is() -> None:
    source = TopicFacts(5, 1, SOURCE.config | {"max.message.bytes": "5000000", "min.insync.replicas": "1"})
    config = {
        "retention.ms": "3600000",
        "min.insync.replicas": "1",
        "cleanup.policy": "delete",
        "max.message.bytes": "5065536",
    }
    made = planned({"payments": source}, kafka__partitions=5, dlq__retention="1h", dlq__topic="dead")
    assert made.changes == (CreateTopic("dead", 5, 1, config), CreateTopic("shop.replay", 1, 1, config))


def test_too_few_brokers_has_the_numbers() -> None:
    made = planned({}, brokers=2)
    assert made.changes == ()
    assert made.finding.reason is Reason.TOO_FEW_BROKERS
    assert "3 copies and the number of brokers is 2" in made.finding.message
    # The source is there, and a broker is away: a dead letter is not kept in fewer copies for that.
    made = planned({"payments": SOURCE, "shop.replay": REPLAY}, brokers=2)
    assert made.changes == ()
    assert made.finding.reason is Reason.TOO_FEW_BROKERS
    assert made.partitions == 12


def test_fewer_partitions_grow_only_when_allowed() -> None:
    made = planned(RIGHT, kafka__partitions=20)
    assert made.finding.reason is Reason.PARTITION_GROWTH_FORBIDDEN
    assert "has 12 partitions and spec.kafka.partitions is 20" in made.finding.message
    assert made.stuck
    assert made.changes == ()
    made = planned(RIGHT, kafka__partitions=20, kafka__allowPartitionGrowth=True)
    assert made.changes == (GrowTopic("payments", 20), GrowTopic("shop.dlq", 20))
    assert made.partitions == 12  # until it is so


def test_more_partitions_than_specified_are_right() -> None:
    made = planned(RIGHT | {"payments": replace(SOURCE, partitions=16)})
    assert made.partitions == 16
    assert made.changes == (GrowTopic("shop.dlq", 16),)


@pytest.mark.parametrize(
    ("name", "key", "value", "right"),
    [
        ("payments", "min.insync.replicas", "1", "2"),
        ("shop.dlq", "retention.ms", "1000", "1209600000"),
        ("shop.dlq", "cleanup.policy", "compact", "delete"),
        ("shop.dlq", "max.message.bytes", "1048588", "1114124"),
        ("shop.replay", "max.message.bytes", "1048588", "1114124"),
        ("shop.replay", "min.insync.replicas", "3", "2"),
    ],
)
def test_what_the_resource_states_is_repaired(name: str, key: str, value: str, right: str) -> None:
    drifted = replace(RIGHT[name], config={**RIGHT[name].config, key: value})
    assert planned(RIGHT | {name: drifted}).changes == (SetTopicConfig(name, {key: right}),)


@pytest.mark.parametrize(
    ("name", "key", "value"),
    [
        ("payments", "retention.ms", "1000"),
        ("payments", "cleanup.policy", "compact"),
        ("payments", "compression.type", "zstd"),
        ("shop.dlq", "compression.type", "zstd"),
        ("shop.dlq", "max.message.bytes", "99999999"),
    ],
)
def test_what_it_does_not_state_is_its_owners(name: str, key: str, value: str) -> None:
    given = replace(RIGHT[name], config={**RIGHT[name].config, key: value})
    made = planned(RIGHT | {name: given})
    changed = {change.name for change in made.changes}
    assert name not in changed


def test_never_more_in_sync_than_there_are_copies() -> None:
    single = TopicFacts(12, 1, SOURCE.config | {"min.insync.replicas": "1"})
    made = planned(RIGHT | {"payments": single})
    assert made.changes == ()
    assert "an existing topic keeps its copies" in made.finding.message
