"""What the operator asks and changes, on real servers."""

from __future__ import annotations

import asyncio
import base64
import json
import threading
import time
import uuid
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
import redis
from confluent_kafka import ConsumerGroupTopicPartitions, TopicPartition
from confluent_kafka.schema_registry import Schema, SchemaReference, SchemaRegistryClient

from doublegate.contract.record import Kind
from doublegate.contract.resource import IdempotentConsumer, parse_consumer
from doublegate.contract.scope import owner_key
from doublegate.evolution import Format
from doublegate.local.model import Service
from doublegate.local.ports import free_ports
from doublegate_operator.core.facts import (
    Binding,
    Failure,
    KafkaFacts,
    LatestSchema,
    LedgerFacts,
    RegistryFacts,
)
from doublegate_operator.core.reasons import Reason
from doublegate_operator.core.schema import SchemaPlan, plan_schema
from doublegate_operator.core.wanted import (
    BindGroup,
    CreateTopic,
    GrowTopic,
    SetCompatibility,
    SetTopicConfig,
)
from doublegate_operator.shell import kafka, ledger, registry
from doublegate_operator.shell.secrets import SecretFolder
from tests.consumers import Group, merged
from tests.helpers import eventually
from tests.integration.test_schema_check import as_registered
from tests.unit.operator.world import World

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from doublegate.local.stack import Stack
    from doublegate.local.valkey_cluster import ValkeyCluster

LONGEST = 15.0
"""Seconds that a question to a server that is away may take."""


def resource(group: Group, uid: str = "uid-1", **spec: Any) -> IdempotentConsumer:
    raw = group.resource("tests.consumers:Handlers", **spec)
    return parse_consumer({**raw, "metadata": {"name": "test", "namespace": "shop", "uid": uid}})


def kafka_facts(consumer: IdempotentConsumer, root: Path) -> KafkaFacts:
    facts = asyncio.run(kafka.observe_kafka(consumer, root))
    assert isinstance(facts, KafkaFacts), facts
    return facts


def change(consumer: IdempotentConsumer, root: Path, *changes: Any) -> Failure | None:
    return asyncio.run(kafka.change_topics(consumer, root, changes))


def failed(answer: Any, reason: Reason, *texts: str) -> None:
    assert isinstance(answer, Failure), answer
    assert answer.reason is reason, answer
    for text in texts:
        assert text in answer.message


def nowhere() -> str:
    return f"127.0.0.1:{free_ports(1)[0]}"


# --- Kafka


def test_topics_are_made_grown_and_set(group: Group, tmp_path: Path) -> None:
    consumer = resource(group)
    before = kafka_facts(consumer, tmp_path)
    assert (set(before.topics), before.brokers, before.dlq) == ({group.topic}, 1, None)
    settings = {"retention.ms": "60000", "min.insync.replicas": "1"}
    made = CreateTopic(group.dlq, 2, 1, settings)
    assert change(consumer, tmp_path, made) is None
    found = eventually(lambda: kafka_facts(consumer, tmp_path).topics.get(group.dlq))
    assert (found.partitions, found.replication_factor) == (2, 1)
    assert settings.items() <= found.config.items()
    assert int(found.config["max.message.bytes"]) > 0, "the broker's defaults are there"
    assert change(consumer, tmp_path, made) is None, "somebody else made it: no failure"
    assert (
        change(
            consumer,
            tmp_path,
            GrowTopic(group.dlq, 3),
            SetTopicConfig(group.dlq, {"retention.ms": "70000"}),
        )
        is None
    )
    grown = eventually(
        lambda: (now := kafka_facts(consumer, tmp_path).topics[group.dlq]).partitions == 3 and now
    )
    assert grown.config["retention.ms"] == "70000"
    assert grown.config["min.insync.replicas"] == "1", "what is not named stays"
    group.admin.delete_topics([group.dlq])[group.dlq].result(LONGEST)


def test_observing_makes_no_topic(group: Group, tmp_path: Path) -> None:
    missing = f"missing-{uuid.uuid4().hex[:8]}"
    facts = kafka_facts(resource(group, kafka={"topic": missing}), tmp_path)
    assert (dict(facts.topics), facts.lag, facts.committed) == ({}, None, None)
    assert missing not in group.admin.list_topics(timeout=LONGEST).topics


def test_what_the_broker_refuses_does_not_keep_the_others_from_it(group: Group, tmp_path: Path) -> None:
    consumer = resource(group)
    answer = change(consumer, tmp_path, CreateTopic(group.replay, 1, 9, {}), CreateTopic(group.dlq, 1, 1, {}))
    failed(answer, Reason.KAFKA_REFUSED, f"Topic {group.replay}", "INVALID_REPLICATION_FACTOR")
    assert eventually(lambda: group.dlq in kafka_facts(consumer, tmp_path).topics)
    failed(
        change(consumer, tmp_path, SetTopicConfig(group.dlq, {"no.such": "1"})),
        Reason.KAFKA_REFUSED,
        "no.such",
    )
    group.admin.delete_topics([group.dlq])[group.dlq].result(LONGEST)


def commit(group: Group, offsets: Mapping[int, int]) -> None:
    places = [TopicPartition(group.topic, p, offset) for p, offset in offsets.items()]
    request = [ConsumerGroupTopicPartitions(group.name, places)]
    group.admin.alter_consumer_group_offsets(request)[group.name].result(LONGEST)


def test_the_lag_is_exact(group: Group, tmp_path: Path) -> None:
    consumer = resource(group)
    assert kafka_facts(consumer, tmp_path).lag == 0
    for number in range(30):
        group.send(f"e-{number}", partition=number % 3)
    group.flush()
    facts = kafka_facts(consumer, tmp_path)
    assert (facts.lag, facts.committed) == (30, None)
    commit(group, {0: 10, 1: 4})
    facts = kafka_facts(consumer, tmp_path)
    assert (facts.lag, facts.committed) == (16, 14)
    # What was deleted before anybody read it is no work.
    gone = {TopicPartition(group.topic, 2, 7): None, TopicPartition(group.topic, 1, 5): None}
    for future in group.admin.delete_records(
        [TopicPartition(p.topic, p.partition, p.offset) for p in gone]
    ).values():
        future.result(LONGEST)
    assert kafka_facts(consumer, tmp_path).lag == 3 + 5
    change(consumer, tmp_path, CreateTopic(group.replay, 1, 1, {}), CreateTopic(group.dlq, 1, 1, {}))
    eventually(lambda: len(kafka_facts(consumer, tmp_path).topics) == 3)
    group.send("r", topic=group.replay)
    group.send("d", topic=group.dlq)
    group.flush()
    facts = kafka_facts(consumer, tmp_path)
    assert (facts.lag, facts.committed) == (9, 14), "replays are work, dead letters are not"
    for topic in (group.replay, group.dlq):
        group.admin.delete_topics([topic])[topic].result(LONGEST)


def test_dead_letters_are_counted_and_dated(group: Group, tmp_path: Path) -> None:
    consumer = resource(group)
    change(consumer, tmp_path, CreateTopic(group.dlq, 3, 1, {}))
    empty = eventually(lambda: kafka_facts(consumer, tmp_path).dlq)
    assert (empty.open, empty.oldest_seconds) == (0, None)
    now = int(time.time() * 1000)
    for partition, age in ((0, 50), (0, 500), (1, 200)):
        group.producer.produce(group.dlq, b"v", partition=partition, timestamp=now - age * 1000)
    group.flush()
    facts = kafka_facts(consumer, tmp_path).dlq
    assert facts is not None
    assert facts.open == 3
    assert facts.oldest_seconds is not None
    assert 195 < facts.oldest_seconds < 230, "each partition's first one counts: the next to be deleted"
    group.admin.delete_topics([group.dlq])[group.dlq].result(LONGEST)


def test_kafka_that_is_away(group: Group, tmp_path: Path) -> None:
    consumer = resource(group, kafka={"bootstrapServers": nowhere()})
    began = time.monotonic()
    answer = asyncio.run(kafka.observe_kafka(consumer, tmp_path))
    failed(answer, Reason.KAFKA_UNAVAILABLE, consumer.spec.kafka.bootstrap_servers)
    failed(change(consumer, tmp_path, GrowTopic(group.topic, 9)), Reason.KAFKA_UNAVAILABLE)
    assert time.monotonic() - began < 2 * LONGEST
    again = asyncio.run(kafka.observe_kafka(consumer, tmp_path))
    assert again == answer, "the same words at each look, or the status would be written each time"


def test_kafka_that_is_frozen(stack: Stack, group: Group, tmp_path: Path) -> None:
    consumer = resource(group)
    stack.pause(Service.KAFKA)
    try:
        began = time.monotonic()
        failed(asyncio.run(kafka.observe_kafka(consumer, tmp_path)), Reason.KAFKA_UNAVAILABLE)
        assert time.monotonic() - began < LONGEST
    finally:
        stack.resume(Service.KAFKA)
    eventually(lambda: isinstance(asyncio.run(kafka.observe_kafka(consumer, tmp_path)), KafkaFacts))


# --- Secrets


class Secrets:
    def __init__(self, **secrets: Mapping[str, str]) -> None:
        self.secrets = secrets

    async def get_secret(self, _: str, name: str) -> Mapping[str, Any] | None:
        if name not in self.secrets:
            return None
        data = {key: base64.b64encode(value.encode()).decode() for key, value in self.secrets[name].items()}
        return {"metadata": {"uid": f"uid-{name}"}, "data": data}


async def with_secrets(consumer: IdempotentConsumer, secrets: Secrets, ask: Any) -> Any:
    async with SecretFolder(secrets, consumer) as (root, _):
        return await ask(consumer, root)


async def nobody(namespace: str, name: str, uid: str) -> bool | None:
    raise AssertionError("nobody is to be looked for")


async def observe_ledger(consumer: IdempotentConsumer, root: Path) -> Any:
    return await ledger.observe_ledger(consumer, root, nobody)


@pytest.mark.parametrize(
    ("section", "spec", "ask"),
    [
        ("kafka.securityRef", {"kafka": {"securityRef": "creds"}}, kafka.observe_kafka),
        ("ledger.secretRef", {"ledger": {"secretRef": "creds"}}, observe_ledger),
        ("schema.secretRef", {"schema": {"secretRef": "creds"}}, registry.observe_registry),
    ],
)
def test_a_secret_that_is_missing_or_wrong(
    group: Group, section: str, spec: dict[str, Any], ask: Any
) -> None:
    if "schema" in spec:
        spec = {"schema": {**spec["schema"], "registryUrl": str(group.endpoints.registry_url)}}
    consumer = resource(group, **spec)
    missing = asyncio.run(with_secrets(consumer, Secrets(), ask))
    failed(missing, Reason.SECRET_MISSING, f"spec.{section}", "Secret creds is missing")
    wrong = asyncio.run(with_secrets(consumer, Secrets(creds={"username": "u"}), ask))
    failed(wrong, Reason.SECRET_INVALID, f"spec.{section}: Secret creds, key password is missing")
    assert "/" not in wrong.message, "the folder has another name at each look"


def test_tls_where_none_is_spoken(group: Group) -> None:
    consumer = resource(group, kafka={"securityRef": "creds"})
    secrets = Secrets(creds={"username": "u", "password": "hunter2"})
    answer = asyncio.run(with_secrets(consumer, secrets, kafka.observe_kafka))
    assert isinstance(answer, Failure)
    assert answer.reason in (Reason.KAFKA_REFUSED, Reason.KAFKA_UNAVAILABLE)
    assert "hunter2" not in answer.message
    assert answer == asyncio.run(with_secrets(consumer, secrets, kafka.observe_kafka))


def test_a_broken_certificate(group: Group) -> None:
    consumer = resource(group, kafka={"securityRef": "creds"})
    answer = asyncio.run(with_secrets(consumer, Secrets(creds={"ca.crt": "no pem"}), kafka.observe_kafka))
    failed(answer, Reason.KAFKA_REFUSED)
    assert "doublegate-" not in answer.message


# --- the ledger


def ledger_facts(consumer: IdempotentConsumer, root: Path, lives: bool | None = None) -> LedgerFacts:
    async def alive(namespace: str, name: str, uid: str) -> bool | None:
        assert (namespace, name) == ("shop", "test")
        return lives

    facts = asyncio.run(ledger.observe_ledger(consumer, root, alive))
    assert isinstance(facts, LedgerFacts), facts
    return facts


def bind(consumer: IdempotentConsumer, root: Path, uid: str, former: str | None) -> Failure | None:
    return asyncio.run(ledger.bind_group(consumer, root, BindGroup(uid, former)))


def test_a_group_is_bound_once_and_taken_over(
    group: Group, redis_client: redis.Redis, tmp_path: Path
) -> None:
    first, second = resource(group, "uid-1"), resource(group, "uid-2")
    facts = ledger_facts(first, tmp_path)
    assert facts.binding is None
    assert facts.policy == redis_client.config_get("maxmemory-policy")["maxmemory-policy"]
    assert bind(first, tmp_path, "uid-1", None) is None
    assert bind(first, tmp_path, "uid-1", None) is None, "the answer may have been lost"
    assert ledger_facts(first, tmp_path).binding == Binding("uid-1", "shop", "test", alive=True)
    for lives in (True, False, None):
        binding = ledger_facts(second, tmp_path, lives).binding
        assert binding == Binding("uid-1", "shop", "test", alive=lives)
    failed(bind(second, tmp_path, "uid-2", None), Reason.GROUP_TAKEN, "uid-1")
    failed(bind(second, tmp_path, "uid-2", "uid-0"), Reason.GROUP_TAKEN, "uid-1")
    assert bind(second, tmp_path, "uid-2", "uid-1") is None
    assert ledger_facts(second, tmp_path).binding == Binding("uid-2", "shop", "test", alive=True)
    assert redis_client.ttl(owner_key(group.name)) == -1, "it does not go away by itself"


def test_of_many_at_the_same_moment_one_gets_the_group(
    group: Group, redis_client: redis.Redis, tmp_path: Path
) -> None:
    start, answers = threading.Barrier(8), {}

    def take(uid: str) -> None:
        consumer = resource(group, uid)
        start.wait(LONGEST)
        answers[uid] = bind(consumer, tmp_path, uid, None)

    threads = [threading.Thread(target=take, args=(f"uid-{n}",)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(LONGEST)
    [winner] = [uid for uid, answer in answers.items() if answer is None]
    assert json.loads(redis_client.get(owner_key(group.name)))["uid"] == winner


def test_a_key_that_is_not_ours_stays(group: Group, redis_client: redis.Redis, tmp_path: Path) -> None:
    consumer, key = resource(group), owner_key(group.name)
    for written in (b"hello", b"[1]", b'{"uid": "x"}'):
        redis_client.set(key, written)
        failed(asyncio.run(observe_ledger(consumer, tmp_path)), Reason.LEDGER_REFUSED, key.decode())
    redis_client.set(key, b"hello")
    failed(bind(consumer, tmp_path, "uid-1", None), Reason.LEDGER_REFUSED, key.decode())
    assert redis_client.get(key) == b"hello"


@pytest.fixture
def user(redis_client: redis.Redis) -> Iterator[str]:
    """A user that may do what a consumer needs, and not ask the server about itself."""
    redis_client.acl_setuser(
        "few", enabled=True, passwords=["+pw"], keys=["*"], commands=["+@all", "-config"], reset=True
    )
    yield "few"
    redis_client.acl_deluser("few")


def test_a_policy_that_may_not_be_asked(group: Group, redis_client: redis.Redis, user: str) -> None:
    consumer = resource(group, ledger={"secretRef": "creds"})
    secrets = Secrets(creds={"username": user, "password": "pw"})
    facts = asyncio.run(with_secrets(consumer, secrets, observe_ledger))
    assert facts.policy == "noeviction", "INFO tells it, too"
    wrong = Secrets(creds={"username": user, "password": "hunter2"})
    answer = asyncio.run(with_secrets(consumer, wrong, observe_ledger))
    failed(answer, Reason.LEDGER_REFUSED, "Secret creds")
    assert "hunter2" not in answer.message


def test_a_ledger_that_evicts(group: Group, redis_client: redis.Redis, tmp_path: Path) -> None:
    redis_client.config_set("maxmemory-policy", "allkeys-lru")
    try:
        assert ledger_facts(resource(group), tmp_path).policy == "allkeys-lru"
    finally:
        redis_client.config_set("maxmemory-policy", "noeviction")


def test_a_ledger_that_is_away(stack: Stack, group: Group, redis_client: redis.Redis, tmp_path: Path) -> None:
    consumer = resource(group, ledger={"url": f"redis://{nowhere()}/0"})
    failed(asyncio.run(observe_ledger(consumer, tmp_path)), Reason.LEDGER_UNAVAILABLE)
    failed(bind(consumer, tmp_path, "uid-1", None), Reason.LEDGER_UNAVAILABLE)
    stack.pause(Service.VALKEY)
    try:
        began = time.monotonic()
        failed(asyncio.run(observe_ledger(resource(group), tmp_path)), Reason.LEDGER_UNAVAILABLE)
        assert time.monotonic() - began < LONGEST
    finally:
        stack.resume(Service.VALKEY)


def test_a_cluster_is_a_ledger_too(group: Group, valkey_cluster: ValkeyCluster, tmp_path: Path) -> None:
    # The key's slot is on one of three nodes, which need not be the one that the URL names.
    for name in (f"g-{uuid.uuid4().hex[:8]}" for _ in range(6)):
        consumer = resource(group, ledger={"url": valkey_cluster.url}, kafka={"group": name})
        assert ledger_facts(consumer, tmp_path).binding is None
        assert bind(consumer, tmp_path, "uid-1", None) is None
        facts = ledger_facts(consumer, tmp_path)
        assert facts == LedgerFacts(Binding("uid-1", "shop", "test", alive=True), "noeviction")


# --- the registry


def schema_of(group: Group, **more: Any) -> dict[str, Any]:
    return merged({"registryUrl": str(group.endpoints.registry_url), "subject": group.name}, more)


def test_a_subjects_level_is_read_and_set(group: Group, tmp_path: Path) -> None:
    consumer = resource(group, schema=schema_of(group))
    with SchemaRegistryClient({"url": str(group.endpoints.registry_url)}) as client:
        client.register_schema(group.name, Schema('{"type": "string"}', "AVRO"))
    change_ = SetCompatibility(group.name, "FULL_TRANSITIVE")
    assert asyncio.run(registry.set_compatibility(consumer, tmp_path, change_)) is None
    facts = asyncio.run(registry.observe_registry(consumer, tmp_path))
    assert facts == RegistryFacts("FULL_TRANSITIVE")
    other = resource(group, schema=schema_of(group, subject=f"{group.name}-other"))
    unset = asyncio.run(registry.observe_registry(other, tmp_path))
    assert isinstance(unset, RegistryFacts)
    assert unset != facts, "another subject's level is its own"


def test_a_level_of_a_subject_without_a_schema(group: Group, tmp_path: Path) -> None:
    """Set at once where the registry allows it; else it says what is to be done."""
    consumer = resource(group, schema=schema_of(group))
    change_ = SetCompatibility(group.name, "FULL")
    answer = asyncio.run(registry.set_compatibility(consumer, tmp_path, change_))
    if answer is None:
        assert asyncio.run(registry.observe_registry(consumer, tmp_path)) == RegistryFacts("FULL")
    else:
        failed(answer, Reason.REGISTRY_REFUSED, group.name, "register the first schema")


READS = {"amount": {"required": True, "takes": ["integer"]}}


def latest(group: Group, root: Path) -> LatestSchema | None:
    consumer = resource(group, schema=schema_of(group, reads=READS))
    facts = asyncio.run(registry.observe_registry(consumer, root))
    assert isinstance(facts, RegistryFacts), facts
    return facts.latest


@pytest.fixture
def register(group: Group) -> Iterator[Callable[..., int]]:
    """Registers a schema, of another subject when it is named."""
    config = {"url": str(group.endpoints.registry_url), "timeout": 60}  # its first Protobuf schema is slow
    with SchemaRegistryClient(config) as client:
        yield lambda schema, subject=group.name: client.register_schema(subject, schema)


def avro(kind: str, name: str = "amount") -> str:
    fields = [{"name": name, "type": kind}]
    return json.dumps({"type": "record", "name": "Payment", "fields": fields})


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        (Format.AVRO, avro("long")),
        (Format.JSON, '{"properties": {"amount": {"type": "integer"}}, "required": ["amount"]}'),
        (Format.PROTOBUF, 'syntax = "proto3"; package shop; message Payment { int64 amount = 1; }'),
    ],
)
def test_the_fields_of_the_latest_schema_are_read(
    group: Group, tmp_path: Path, register: Callable[..., int], kind: Format, text: str
) -> None:
    assert latest(group, tmp_path) is None, "a subject without a schema"
    register(as_registered(text, kind))
    found = latest(group, tmp_path)
    assert found is not None
    assert (found.version, found.unclear, list(found.fields)) == (1, None, ["amount"])
    assert (found.fields["amount"].kinds, found.fields["amount"].always) == ({Kind.INTEGER}, True)
    silent = asyncio.run(registry.observe_registry(resource(group, schema=schema_of(group)), tmp_path))
    assert isinstance(silent, RegistryFacts)
    assert silent.latest is None, "nobody asked"


def test_the_newest_version_counts(group: Group, tmp_path: Path, register: Callable[..., int]) -> None:
    def said() -> SchemaPlan:
        facts = asyncio.run(registry.observe_registry(consumer, tmp_path))
        return plan_schema(consumer, replace(World().observe(), registry=facts))

    consumer = resource(group, schema=schema_of(group, reads=READS, compatibility="NONE"))
    register(Schema(avro("int"), "AVRO"))
    change_ = SetCompatibility(group.name, "NONE")
    assert asyncio.run(registry.set_compatibility(consumer, tmp_path, change_)) is None
    assert said().finding.good
    register(Schema(avro("string", "price"), "AVRO"))
    assert said().unreadable
    assert f"version 2 of subject {group.name}: field amount: " in said().finding.message
    register(Schema(avro("long"), "AVRO"))
    assert said().finding.good


def test_a_schema_that_refers_to_others_is_unclear(
    group: Group, tmp_path: Path, register: Callable[..., int]
) -> None:
    other = f"{group.name}-money"
    register(Schema(json.dumps({"type": "fixed", "name": "Money", "size": 8}), "AVRO"), other)
    register(Schema(avro("Money"), "AVRO", [SchemaReference("Money", other, 1)]))
    found = latest(group, tmp_path)
    assert found is not None
    assert "refers to other subjects" in (found.unclear or "")


def test_a_protobuf_file_as_text_is_unclear(
    group: Group, tmp_path: Path, register: Callable[..., int]
) -> None:
    register(Schema('syntax = "proto3"; message Payment { int64 amount = 1; }', "PROTOBUF"))
    found = latest(group, tmp_path)
    assert found is not None
    assert f"version 1 of subject {group.name} is .proto text" in (found.unclear or "")
    assert not found.fields


def test_a_registry_that_is_away_or_another_thing(group: Group, tmp_path: Path) -> None:
    assert asyncio.run(registry.observe_registry(resource(group), tmp_path)) is None
    away = resource(group, schema=schema_of(group, registryUrl=f"http://{nowhere()}"))
    failed(asyncio.run(registry.observe_registry(away, tmp_path)), Reason.REGISTRY_UNAVAILABLE)
    change_ = SetCompatibility(group.name, "FULL")
    failed(asyncio.run(registry.set_compatibility(away, tmp_path, change_)), Reason.REGISTRY_UNAVAILABLE)
