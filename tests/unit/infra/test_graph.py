"""The whole graph of each stack, and what must be true of it."""

from __future__ import annotations

import json
import re
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from tests.unit.infra.recording import HIDDEN, Resource, golden, record

STACKS = ("dev", "prod")
GOLDEN = Path(__file__).with_name("golden")
WORKLOADS = {"Deployment", "StatefulSet", "Job"}

KEDA = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "keda"}}}

graph = cache(record)
each_stack = pytest.mark.parametrize("stack", STACKS)


def of_kind(stack: str, *kinds: str) -> list[Resource]:
    return [one for one in graph(stack) if one.kind in kinds]


def pods(stack: str) -> list[tuple[str, dict[str, Any]]]:
    found = of_kind(stack, *WORKLOADS)
    assert found
    return [(one.key, one.inputs["spec"]["template"]["spec"]) for one in found]


def containers(stack: str) -> list[tuple[str, dict[str, Any]]]:
    return [(key, one) for key, pod in pods(stack) for one in pod["containers"]]


@each_stack
def test_the_graph_is_the_reviewed_one(stack: str) -> None:
    reviewed = (GOLDEN / f"{stack}.json").read_text()
    assert golden(stack) == reviewed, "run `.venv/bin/python -m tests.unit.infra` and read the difference"


@each_stack
def test_pods_are_restricted(stack: str) -> None:
    for key, pod in pods(stack):
        assert pod["securityContext"]["runAsNonRoot"] is True, key
        assert pod["securityContext"]["runAsUser"] > 0, key
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}, key
        assert not {"hostNetwork", "hostPID", "hostIPC"} & set(pod), key
        assert not any("hostPath" in volume for volume in pod["volumes"]), key
        needs_api = key == "Deployment/doublegate-operator"
        assert pod["automountServiceAccountToken"] is needs_api, key
    for key, one in containers(stack):
        context = one["securityContext"]
        assert context["allowPrivilegeEscalation"] is False, key
        assert context["readOnlyRootFilesystem"] is True, key
        assert context["capabilities"] == {"drop": ["ALL"]}, key
    namespace = next(one for one in graph(stack) if one.type == "kubernetes:core/v1:Namespace")
    assert namespace.inputs["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"


@each_stack
def test_every_container_has_requests_and_a_memory_limit(stack: str) -> None:
    for key, one in containers(stack):
        assert set(one["resources"]["requests"]) == {"cpu", "memory"}, key
        assert one["resources"]["limits"]["memory"] == one["resources"]["requests"]["memory"], key


@each_stack
def test_every_serving_container_has_probes(stack: str) -> None:
    for key, one in containers(stack):
        if not key.startswith("Job/"):
            assert {"startupProbe", "livenessProbe", "readinessProbe"} <= set(one), key


@each_stack
def test_images_are_pinned(stack: str) -> None:
    for key, one in containers(stack):
        assert not one["image"].endswith(":latest"), key
        assert re.search(r"@sha256:[0-9a-f]{64}$" if stack == "prod" else r"[:@][^/]+$", one["image"]), key


@each_stack
def test_every_mount_has_its_volume(stack: str) -> None:
    for one in of_kind(stack, *WORKLOADS):
        spec = one.inputs["spec"]
        pod = spec["template"]["spec"]
        there = {volume["name"] for volume in pod["volumes"]}
        there |= {claim["metadata"]["name"] for claim in spec.get("volumeClaimTemplates", [])}
        mounted = {mount["name"] for container in pod["containers"] for mount in container["volumeMounts"]}
        assert mounted == there, one.key


@each_stack
def test_no_secret_is_told(stack: str) -> None:
    for one in graph(stack):
        told = json.dumps(one.inputs)
        assert "password-of-" not in told, one.key
        assert "key of" not in told, one.key
    for one in of_kind(stack, "Secret"):
        assert one.inputs["stringData"] == HIDDEN, one.key


@each_stack
def test_nobody_sets_replicas_of_a_consumer(stack: str) -> None:
    consumers = of_kind(stack, "IdempotentConsumer")
    assert [one.name for one in consumers] == ["mails", "payments"]
    for one in consumers:
        assert "replicas" not in json.dumps(one.inputs)
    assert not {one.name for one in consumers} & {
        one.name for one in of_kind(stack, "Deployment", "StatefulSet")
    }


@each_stack
def test_consumers_come_last_and_are_waited_for(stack: str) -> None:
    servers = {one.key for one in of_kind(stack, *WORKLOADS)}
    for one in of_kind(stack, "IdempotentConsumer"):
        assert servers <= set(one.after)
        notes = one.inputs["metadata"]["annotations"]
        assert notes["pulumi.com/waitFor"] == "condition=Ready"
        assert int(notes["pulumi.com/timeoutSeconds"]) >= 60
    [operator] = [one for one in of_kind(stack, "Deployment") if one.name == "doublegate-operator"]
    assert {one.key for one in of_kind(stack, "CustomResourceDefinition")} <= set(operator.after)


@each_stack
def test_everything_has_the_explicit_provider_and_a_parent(stack: str) -> None:
    for one in graph(stack):
        if one.type.startswith("kubernetes:"):
            assert one.provider == "kubernetes/cluster", one.key
            assert one.parent.partition("/")[0] != "Stack", one.key


@each_stack
def test_one_pod_at_a_time_is_moved_and_only_its_ports_are_open(stack: str) -> None:
    budgets = {one.name for one in of_kind(stack, "PodDisruptionBudget")}
    policies = {one.name: one.inputs["spec"] for one in of_kind(stack, "NetworkPolicy")}
    assert policies.pop("nobody-doublegate") == {"podSelector": {}, "policyTypes": ["Ingress"]}
    serving = {one.name: one for one in of_kind(stack, "Deployment", "StatefulSet")}
    assert set(serving) == budgets == set(policies)
    for name, one in serving.items():
        [container] = one.inputs["spec"]["template"]["spec"]["containers"]
        rules = policies[name]["ingress"]
        opened = {port["port"] for rule in rules for port in rule["ports"]}
        assert opened == {port["name"] for port in container["ports"]}, name
        for (
            rule
        ) in rules:  # nobody from another namespace, but KEDA, which asks Kafka's clients' port for lag
            assert rule["from"], name
            others = [peer for peer in rule["from"] if set(peer) != {"podSelector"}]
            asks = name == "kafka" and rule["ports"] == [{"port": "clients"}]
            assert others == ([KEDA] if asks else []), name


def test_strimzi_gets_a_cluster_and_a_user_with_rights_for_each_consumer() -> None:
    kafka = {"strimzi": {"version": "4.1.0", "brokers": 3, "storage": {"size": "10Gi"}}}
    made = {one.key: one for one in record("prod", kafka=kafka)}
    assert not {"StatefulSet/kafka", "Job/kafka-users"} & set(made)
    assert made["KafkaNodePool/brokers"].inputs["spec"]["replicas"] == 3
    user = made["KafkaUser/payments"].inputs["spec"]
    allowed = {acl["resource"]["name"]: acl["operations"] for acl in user["authorization"]["acls"]}
    assert set(allowed) == {"payments", "payments.dlq", "payments.replay"}
    assert "DescribeConfigs" in allowed["payments.dlq"]
    consumer = made["IdempotentConsumer/payments"]
    assert {"Kafka/kafka", "KafkaUser/payments"} <= set(consumer.after)
    assert consumer.inputs["spec"]["kafka"]["bootstrapServers"] == "kafka-kafka-bootstrap.doublegate.svc:9092"


def test_what_is_external_is_not_made() -> None:
    external = {
        "kafka": {"external": {"bootstrapServers": "k:9092", "securityRef": "kafka"}},
        "ledger": {"external": {"url": "rediss://r:6379/0", "secretRef": "redis"}},
        "registry": {"external": {"url": "https://registry/api"}},
        "traces": {"external": {"otlpEndpoint": "http://otel:4318"}},
    }
    made = record("prod", **external)
    assert {one.name for one in made if one.kind in WORKLOADS} == {"doublegate-operator", "postgres"}
    [spec] = [one.inputs["spec"] for one in made if one.key == "IdempotentConsumer/payments"]
    assert spec["kafka"]["bootstrapServers"] == "k:9092"
    assert (spec["kafka"]["securityRef"], spec["ledger"]["secretRef"]) == ("kafka", "redis")
    assert spec["schema"]["registryUrl"] == "https://registry/api"
    assert spec["telemetry"]["otlpEndpoint"] == "http://otel:4318"


def test_in_production_volumes_are_kept_and_brokers_speak_tls() -> None:
    stateful = {one.name: one.inputs["spec"] for one in of_kind("prod", "StatefulSet")}
    assert set(stateful) == {"kafka", "valkey", "valkey-replica", "postgres", "jaeger"}
    assert all(spec["volumeClaimTemplates"] for spec in stateful.values())
    [broker] = stateful["kafka"]["template"]["spec"]["containers"]
    listeners = {one["name"]: one.get("value") for one in broker["env"]}
    protocols = listeners["KAFKA_LISTENER_SECURITY_PROTOCOL_MAP"]
    assert "PLAINTEXT" not in protocols
    assert "CLIENTS:SASL_SSL" in protocols
    [configuration] = [one for one in of_kind("prod", "ConfigMap") if one.name == "valkey"]
    text = configuration.inputs["data"]["valkey.conf"].splitlines()
    assert {"port 0", "tls-port 6379", "maxmemory-policy noeviction", "appendonly yes"} <= set(text)
