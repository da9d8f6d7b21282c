"""Consumers of the configuration: completed, checked, and confined to what is theirs."""

from __future__ import annotations

from copy import deepcopy

import pytest
from pydantic import SecretStr

from doublegate.contract.flow_signal import CONTROL_TOPIC
from doublegate.contract.scope import scope_tag
from infra.components.conditions import described
from infra.components.valkey import ValkeyArgs, access_list
from infra.consumers import resources, rights
from infra.sections import StandaloneLedger
from infra.settings import InvalidSettings
from tests.unit.infra.stacks import CONSUMERS, settings


def test_addresses_and_secrets_of_the_stack_are_filled_in() -> None:
    spec = resources(settings("prod"))["payments"][1].spec
    assert spec.kafka.bootstrap_servers == "kafka.doublegate.svc:9092"
    assert (spec.kafka.security_ref, spec.ledger.secret_ref) == ("payments-kafka", "payments-ledger")
    assert spec.ledger.url == "rediss://valkey.doublegate.svc:6379/0"
    assert spec.schema_ is not None
    assert spec.schema_.registry_url == "http://registry.doublegate.svc:8080/apis/ccompat/v7"
    assert spec.telemetry.otlp_endpoint == "http://jaeger.doublegate.svc:4318"
    assert spec.inbox is not None
    assert spec.inbox.secret_ref == "postgres-login"  # pragma: allowlist secret
    assert spec.kafka.replication_factor == 3


def test_one_broker_keeps_one_copy() -> None:
    spec = resources(settings("dev"))["payments"][1].spec
    assert (spec.kafka.replication_factor, spec.kafka.min_insync_replicas) == (1, 1)
    assert spec.kafka.security_ref is None


def test_what_is_given_wins() -> None:
    given = deepcopy(CONSUMERS)
    given[0]["spec"]["ledger"] = {"url": "redis://elsewhere:6379/0"}  # type: ignore[index]
    assert (
        resources(settings("dev", consumers=given))["payments"][1].spec.ledger.url
        == "redis://elsewhere:6379/0"
    )


def test_a_wrong_consumer_is_refused_with_its_field() -> None:
    given = deepcopy(CONSUMERS)
    given[1]["spec"]["kafka"]["partitions"] = 0  # type: ignore[index]
    with pytest.raises(InvalidSettings, match=r"doublegate:consumers\[1\]\.spec\.kafka\.partitions: given 0"):
        resources(settings("dev", consumers=given))


def test_a_user_of_kafka_may_use_its_own_topics_and_group_alone() -> None:
    made = resources(settings("prod"))
    named = {name: {right["name"] for right in rights(consumer)} for name, (_, consumer) in made.items()}
    assert named["payments"] == {"payments", "payments.dlq", "payments.replay"}
    assert not named["payments"] & named["mails"]
    assert {right["resource"] for right in rights(made["payments"][1])} == {"TOPIC", "GROUP"}


def test_a_consumer_that_tells_producers_may_write_to_the_control_topic() -> None:
    given = deepcopy(CONSUMERS)
    given[0]["spec"]["flow"] = {"producerSignal": True}  # type: ignore[index]
    consumer = resources(settings("prod", consumers=given))["payments"][1]
    allowed = [right["operation"] for right in rights(consumer) if right["name"] == CONTROL_TOPIC]
    assert allowed == ["WRITE", "CREATE", "DESCRIBE"]


def test_a_user_of_the_ledger_may_use_its_own_keys_alone() -> None:
    users = ("payments", "mails")
    args = ValkeyArgs(
        StandaloneLedger.model_validate({"maxMemory": "1Gi", "secure": False}),
        "valkey:9",
        None,
        None,
        {user: user for user in users},
        SecretStr("the admin's"),
        {user: SecretStr(f"secret of {user}") for user in users},
    )
    lines = access_list(args).splitlines()
    assert lines[0] == "user default off"
    for user, line in zip(users, lines[2:], strict=True):
        words = line.split()
        assert words[:3] == ["user", user, "on"]
        assert [word for word in words if word.startswith("~")] == [f"~{scope_tag(user)}*"]
        assert words.index("-@all") < words.index("+eval")
        assert not {"+@all", "+flushall", "+flushdb", "+keys", "+config", "+acl"} & set(words)
    assert "secret of" not in "".join(lines)


def test_what_failed_is_told_first() -> None:
    conditions = [
        {
            "type": "TopicsReady",
            "status": "False",
            "reason": "KafkaUnavailable",
            "message": "no broker answers",
        },
        {"type": "Ready", "status": "False", "reason": "NotReady", "message": "waits for topics"},
    ]
    assert described({"metadata": {"name": "payments"}, "status": {"conditions": conditions}}) == [
        "payments: Ready is False, NotReady: waits for topics",
        "payments: TopicsReady is False, KafkaUnavailable: no broker answers",
    ]
    assert "is the operator running?" in described({"metadata": {"name": "payments"}})[0]
