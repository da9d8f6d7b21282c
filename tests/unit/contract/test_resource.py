"""The resource: defaults, strictness, and what an error says."""

import json

import pytest
import yaml

from doublegate.contract import (
    InvalidConsumer,
    Unsupported,
    load_consumer,
    parse_consumer,
    refuse_unsupported,
)
from doublegate.contract.resource import ConflictOn, IdempotentConsumer, Mode, Ordering

SECRET = "hunter2"


def one_problem(given):
    with pytest.raises(InvalidConsumer) as caught:
        parse_consumer(given, "payments.yaml")
    assert str(caught.value).count("\n") == 0, str(caught.value)
    return str(caught.value)


def test_defaults_are_those_of_the_design(minimal):
    spec = parse_consumer(minimal).spec
    assert (spec.mode, spec.paused, spec.handler.timeout, spec.handler.idempotent) == (
        Mode.ENFORCE,
        False,
        10,
        False,
    )
    kafka = spec.kafka
    assert (kafka.partitions, kafka.replication_factor, kafka.min_insync_replicas) == (12, 3, 2)
    assert (kafka.group_protocol, kafka.ordering, kafka.on_failure) == ("Classic", Ordering.KEY, "Continue")
    assert (spec.identity.header, spec.identity.conflict_on) == ("correlation_id", ConflictOn.PAYLOAD)
    assert (spec.filter.expected_rate, spec.filter.window, spec.filter.generations) == (15_000, 600, 4)
    assert (spec.filter.false_positive_rate, spec.filter.exact_entries, spec.filter.snapshots) == (
        0.001,
        None,
        "Ledger",
    )
    ledger = spec.ledger
    assert (ledger.ttl, ledger.session, ledger.claim, ledger.min_replicas_acked) == (3600, 10, "PerEvent", 0)
    assert (ledger.on_unavailable, ledger.on_unknown, spec.inbox) == ("Block", "Retry", None)
    retries = spec.retries
    assert (retries.attempts, retries.initial_backoff, retries.max_backoff, retries.crashes) == (
        5,
        0.2,
        30,
        3,
    )
    assert (spec.dlq.retention, spec.dlq.breaker.failure_ratio, spec.dlq.breaker.window) == (
        14 * 86_400,
        0.5,
        30,
    )
    assert (spec.scaling.mode, spec.scaling.max_replicas, spec.scaling.target_drain) == ("Keda", 12, 30)
    assert (spec.flow.max_in_flight, spec.flow.max_bytes, spec.flow.producer_signal) == (
        2000,
        64 << 20,
        False,
    )
    assert (spec.flow.concurrency.min, spec.flow.concurrency.max) == (1, 64)
    assert (spec.telemetry.otlp_endpoint, spec.telemetry.sample_ratio) == (None, 0.01)
    refuse_unsupported(spec)


def test_derived_names(changed):
    spec = parse_consumer(changed({"schema": {"registryUrl": "http://registry:8080/apis/ccompat/v7"}})).spec
    assert (spec.dlq_topic, spec.replay_topic, spec.schema_subject) == (
        "shop.dlq",
        "shop.replay",
        "payments-value",
    )


def test_given_names_win(changed):
    registry = {"registryUrl": "http://registry:8080", "subject": "pay"}
    spec = parse_consumer(changed({"schema": registry, "dlq.topic": "dead"})).spec
    assert (spec.dlq_topic, spec.schema_subject) == ("dead", "pay")


@pytest.mark.parametrize(
    ("protocol", "session", "kafka"), [("Classic", "10s", 10), ("Classic", "2s", 6), ("Consumer", "10s", 45)]
)
def test_no_lease_outlives_kafkas_session(changed, protocol, session, kafka):
    spec = parse_consumer(changed({"kafka.groupProtocol": protocol, "ledger.session": session})).spec
    assert spec.kafka_session == kafka
    assert spec.ledger.session <= spec.kafka_session


def test_json_round_trip(changed):
    given = changed(
        {
            "inbox": {"secretRef": "db"},
            "identity": {"cloudEvents": True},
            "reprocess": {"id": "march", "ranges": [{"partition": 0, "fromOffset": 5, "toOffset": 9}]},
            "pod": {"resources": {"limits": {"memory": "1Gi"}}, "env": [{"name": "A", "value": "b"}]},
        }
    )
    consumer = parse_consumer(given)
    written = consumer.model_dump(mode="json")
    assert parse_consumer(written) == consumer
    assert written["spec"]["retries"]["initialBackoff"] == "200ms"
    assert written["spec"]["pod"]["resources"] == {"limits": {"memory": "1Gi"}}


def test_a_resource_fetched_from_kubernetes_is_readable(minimal):
    minimal["metadata"] |= {"uid": "u", "generation": 3, "resourceVersion": "7", "managedFields": [{}]}
    minimal["status"] = {"replicas": 1}
    consumer = parse_consumer(minimal)
    assert (consumer.metadata.uid, consumer.metadata.generation) == ("u", 3)


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        (
            {"handler.timeout": 10},
            "spec.handler.timeout: given 10; allowed: a text of whole numbers with units",
        ),
        ({"handler.timeout": "2h"}, "spec.handler.timeout: given '2h'; allowed: 10ms to 1h"),
        ({"flow.maxBytes": "1k"}, "spec.flow.maxBytes: given '1k'; allowed: 1Mi to 64Gi"),
        (
            {"kafka.partitions": "12"},
            "spec.kafka.partitions: given '12'; allowed: a whole number from 1 to 10000",
        ),
        (
            {"kafka.partitions": True},
            "spec.kafka.partitions: given True; allowed: a whole number from 1 to 10000",
        ),
        ({"mode": "enforce"}, "spec.mode: given 'enforce'; allowed: Enforce, Observe"),
        ({"paused": "no"}, "spec.paused: given 'no'; allowed: true or false"),
        (
            {"filter.falsePositiveRate": 1},
            "spec.filter.falsePositiveRate: given 1; allowed: a number from 1e-06 to 0.1",
        ),
        ({"ledger.session": "46s"}, "spec.ledger.session: given '46s'; allowed: 1s to 45s"),
        (
            {"kafka.orderin": "Key"},
            "spec.kafka.orderin: unknown field, did you mean ordering?; allowed: bootstrapServers",
        ),
        ({"kafka.bootstrap_servers": "x:1"}, "spec.kafka.bootstrap_servers: unknown field"),
        ({"kafka.topic": "a b"}, "spec.kafka.topic: given 'a b'; allowed: a text of 1 to 249 characters"),
        (
            {"kafka.bootstrapServers": "kafka"},
            "spec.kafka.bootstrapServers: given 'kafka'; allowed: a text, such as kafka-0:9092",
        ),
        (
            {"ledger.url": "http://x"},
            "spec.ledger.url: given 'http://x'; allowed: a URL such as redis://valkey:6379/0",
        ),
        (
            {"ledger.url": "redis://x:99999"},
            "spec.ledger.url: given 'redis://x:99999'; allowed: a URL such as",
        ),
        ({"identity.header": ""}, "spec.identity.header: given ''; allowed: a text of 1 to 255 characters"),
        (
            {"handler": {"python": "shop.payments"}},
            "spec.handler.python: given 'shop.payments'; allowed: a text, such as shop.payments:charge",
        ),
        ({"ledger": None}, "spec.ledger: given nothing; allowed: a mapping with the fields url, secretRef"),
        ({"pod.env": [{"name": "A"}, 1]}, "spec.pod.env[1]: given 1; allowed: a mapping"),
        (
            {"reprocess": {"id": "march", "ranges": []}},
            "spec.reprocess.ranges: given a list; allowed: a list, each of it a mapping",
        ),
        # Rules between fields.
        ({"handler": {}}, "spec.handler: given neither; allowed: exactly one of python and http"),
        ({"handler.http": {"url": "http://x/y"}}, "spec.handler: given both; allowed: exactly one"),
        (
            {"kafka.minInsyncReplicas": 4},
            "spec.kafka.minInsyncReplicas: given 4; allowed: at most replicationFactor (3)",
        ),
        (
            {"retries.maxBackoff": "100ms"},
            "spec.retries.maxBackoff: given 100ms; allowed: at least initialBackoff (200ms)",
        ),
        (
            {"scaling.minReplicas": 13},
            "spec.scaling.maxReplicas: given 12; allowed: at least minReplicas (13)",
        ),
        ({"flow.concurrency.min": 65}, "spec.flow.concurrency.max: given 64; allowed: at least min (65)"),
        ({"dlq.topic": "payments"}, "spec.dlq.topic: given payments; allowed: another topic than the source"),
        (
            {"kafka.topic": "shop.dlq"},
            "spec.dlq.topic: given shop.dlq; allowed: another topic than the source",
        ),
        (
            {"kafka.topic": "shop.replay"},
            "spec.kafka.topic: given shop.replay; allowed: another topic than <group>.replay",
        ),
        (
            {"dlq.topic": "shop.replay"},
            "spec.dlq.topic: given shop.replay; allowed: another topic than <group>.replay",
        ),
        (
            {"identity": {"header": "x", "cloudEvents": True}},
            "spec.identity: given header and cloudEvents; allowed: exactly one",
        ),
        (
            {"identity": {"header": "x", "payloadField": "id"}},
            "spec.identity: given header and payloadField; allowed",
        ),
        (
            {"identity": {"conflictOn": "None", "conflictIgnore": ["at"]}},
            "spec.identity.conflictIgnore: given a list",
        ),
        (
            {"ledger.onUnavailable": "Bypass"},
            "spec.ledger.onUnavailable: given Bypass; allowed: Block, or Bypass with an inbox",
        ),
        (
            {"ledger.claim": "PerPartition"},
            "spec.filter.window: given 10m; allowed: at least ledger.ttl (1h)",
        ),
        (
            {"ledger.claim": "PerPartition", "filter.window": "1h", "kafka.allowPartitionGrowth": True},
            "spec.kafka.allowPartitionGrowth: given true; allowed: false with claim PerPartition, whose ids",
        ),
        (
            {"ledger.claim": "PerPartition", "filter.window": "1h", "ledger.onUnknown": "DeadLetter"},
            "spec.ledger.onUnknown: given DeadLetter; allowed: Retry with claim PerPartition",
        ),
        (
            {"inbox": {"secretRef": "db", "retention": "1d"}},
            "spec.inbox.retention: given 1d; allowed: at least dlq.retention (14d)",
        ),
        (
            {"reprocess": {"id": "m", "ranges": [{"partition": 0, "fromOffset": 5, "toOffset": 5}]}},
            "spec.reprocess.ranges[0].toOffset: given 5; allowed: more than fromOffset (5)",
        ),
    ],
)
def test_an_error_names_file_field_given_and_allowed(changed, fields, expected):
    assert one_problem(changed(fields)).startswith(f"payments.yaml: {expected}")


@pytest.mark.parametrize(
    "path", ["metadata.name", "spec.handler", "spec.kafka.topic", "spec.kafka.group", "kind"]
)
def test_required(minimal, path):
    *parents, last = path.split(".")
    place = minimal
    for parent in parents:
        place = place[parent]
    del place[last]
    assert one_problem(minimal).startswith(f"payments.yaml: {path}: missing; allowed: ")


def test_one_line_per_problem(changed):
    given = changed({"kafka.partitions": 0, "ledger.sesion": "1s", "flow.concurrency.min": 2.5})
    with pytest.raises(InvalidConsumer) as caught:
        parse_consumer(given)
    assert [problem.path for problem in caught.value.problems] == [
        "spec.kafka.partitions",
        "spec.ledger.sesion",
        "spec.flow.concurrency.min",
    ]


def test_every_broken_rule_is_told_at_once(changed):
    given = changed({"scaling.minReplicas": 13, "dlq.topic": "payments", "ledger.onUnavailable": "Bypass"})
    with pytest.raises(InvalidConsumer) as caught:
        parse_consumer(given)
    assert len(caught.value.problems) == 3


@pytest.mark.parametrize(
    "fields",
    [
        {"ledger.url": f"redis://:{SECRET}@valkey:6379/0"},
        {"ledger.url": f"redis://valkey:6379/0?password={SECRET}"},
        {"ledger.url": f"redis://u:{SECRET}/more@valkey:6379/0"},
        {"ledger": f"redis://:{SECRET}@valkey:6379/0"},
        {"schema": {"registryUrl": f"https://u:{SECRET}@registry"}},
        {"handler": {"http": {"url": f"https://u:{SECRET}@api/charge"}}},
        {"telemetry.otlpEndpoint": f"https://u:{SECRET}@jaeger:4318"},
        {"kafka.bootstrapServers": f"u:{SECRET}@kafka:9092"},
        {"ledger.password": SECRET},
        {"kafka.securityRef": f"{SECRET}!"},
        {"inbox": {"secretRef": f"postgresql://u:{SECRET}@db/x"}},
    ],
)
def test_no_secret_in_an_error(changed, fields):
    with pytest.raises(InvalidConsumer) as caught:
        parse_consumer(changed(fields))
    error = caught.value
    assert SECRET not in f"{error} {error!r} {error.problems!r}"
    assert error.__cause__ is None
    assert error.__context__ is None


def test_credentials_in_a_url_point_to_the_secret(changed):
    message = one_problem(changed({"ledger.url": "redis://:pw@valkey:6379/0"}))
    assert "given 'redis://***@valkey:6379/0'" in message
    assert "secretRef" in message


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"a: [1", "is not YAML at line 1, column 6"),
        (b"a: 1\n---\nb: 2\n", "holds 2 YAML documents; allowed: exactly one"),
        (b"", "holds 0 YAML documents"),
        (b"\xff\xfe\xfa", "is not UTF-8"),
        (b"- 1\n", "given a list; allowed: a mapping with the fields apiVersion, kind, metadata, spec"),
    ],
)
def test_a_file_that_is_no_resource(tmp_path, content, expected):
    path = tmp_path / "consumer.yaml"
    path.write_bytes(content)
    with pytest.raises(InvalidConsumer) as caught:
        load_consumer(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert expected in str(caught.value)


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(InvalidConsumer, match="cannot be read: No such file"):
        load_consumer(tmp_path / "none.yaml")


def test_load(tmp_path, minimal):
    path = tmp_path / "consumer.yaml"
    path.write_text(yaml.safe_dump(minimal))
    assert load_consumer(str(path)) == parse_consumer(minimal)


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"filter.snapshots": "Volume"}, "spec.filter.snapshots: Volume"),
        ({"identity.conflictIgnore": ["at"]}, "spec.identity.conflictIgnore"),
    ],
)
def test_what_is_not_carried_out_is_refused_aloud(changed, fields, field):
    spec = parse_consumer(changed(fields)).spec
    with pytest.raises(Unsupported, match="not carried out by this build") as caught:
        refuse_unsupported(spec)
    assert caught.value.field == field
    assert caught.value.instead


def walk(node):
    if isinstance(node, dict):
        yield node
        for value in node.values():
            yield from walk(value)
    elif isinstance(node, list):
        for value in node:
            yield from walk(value)


def test_the_schema_describes_every_field_and_its_defaults_are_text():
    schema = IdempotentConsumer.model_json_schema()
    for name, model in {**schema["$defs"], "": schema}.items():
        for field, node in model.get("properties", {}).items():
            target = schema["$defs"].get(node.get("$ref", "").rpartition("/")[2], {})
            assert "description" in node or "description" in target, f"{name}.{field}"
    assert schema["$defs"]["RetrySpec"]["properties"]["initialBackoff"]["default"] == "200ms"
    assert schema["$defs"]["FlowSpec"]["properties"]["maxBytes"]["default"] == "64Mi"
    assert "default" not in schema["$defs"]["IdentitySpec"]["properties"]["header"] or (
        schema["$defs"]["IdentitySpec"]["properties"]["header"]["default"] is None
    )
    json.dumps(schema)
    # Kubernetes' patterns are RE2: no lookaround.
    assert not [node for node in walk(schema) if "(?" in str(node.get("pattern", ""))]
