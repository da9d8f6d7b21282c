"""The objects: what pods read, what they may, and what nobody but the autoscaler says."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from doublegate.contract import load_consumer
from doublegate_operator.core.config import resolved
from doublegate_operator.core.facts import Binding, KafkaFacts, LedgerFacts, Observed, TopicFacts
from doublegate_operator.core.plan import plan
from doublegate_operator.core.wanted import Plan
from tests.unit.operator.world import BROKER, NOW, SETTINGS, UID, consumer, object_of

SECRETS = {"kafka-login": "a", "valkey": "b", "postgres.main": "c", "registry": "d"}
ALL_SECRETS: dict[str, Any] = {
    "kafka__securityRef": "kafka-login",
    "ledger__secretRef": "valkey",
    "inbox": {"secretRef": "postgres.main"},
    "schema": {"registryUrl": "http://registry:8080", "secretRef": "registry"},
}


def planned(*, secrets: dict[str, str | None] | None = None, monitors: bool = False, **fields: Any) -> Plan:
    kafka = KafkaFacts({"payments": TopicFacts(12, 3, BROKER)}, 3)
    ledger = LedgerFacts(Binding(UID, "shop", "payments", alive=True))
    observed = Observed(
        now=NOW,
        kafka=kafka,
        ledger=ledger,
        secrets=dict(SECRETS) if secrets is None else secrets,
        pod_monitors=monitors,
    )
    return plan(consumer(**fields), observed, SETTINGS)


def template(made: Plan) -> dict[str, Any]:
    found: dict[str, Any] = object_of(made, "Deployment")["spec"]["template"]
    return found


@settings(deadline=None)
@given(
    st.sampled_from(["Keda", "Manual"]),
    st.integers(0, 5),
    st.booleans(),
    st.booleans(),
    st.sampled_from(
        [{}, ALL_SECRETS, {"identity": {"cloudEvents": True}}, {"ledger__claim": "PerPartition"}]
    ),
)
def test_what_holds_for_every_object(
    mode: str, low: int, paused: bool, monitors: bool, more: dict[str, Any]
) -> None:
    if more.get("ledger__claim"):
        more = {**more, "filter__window": "1h"}
    fields = {"scaling__mode": mode, "scaling__minReplicas": low, "paused": paused, **more}
    made = planned(monitors=monitors, **fields)
    names = [(one["kind"], one["metadata"]["name"]) for one in made.objects]
    assert len(set(names)) == len(names)
    assert ("PodMonitor", "payments") in names or not monitors
    for one in made.objects:
        metadata = one["metadata"]
        assert metadata["namespace"] == "shop"
        assert metadata["labels"]["app.kubernetes.io/instance"] == "payments"
        assert metadata["labels"]["app.kubernetes.io/managed-by"] == "doublegate-operator"
        [owner] = metadata["ownerReferences"]
        assert (owner["kind"], owner["uid"], owner["controller"]) == ("IdempotentConsumer", UID, True)
        assert "blockOwnerDeletion" not in owner  # a deletion waits for nothing
    assert "replicas" not in object_of(made, "Deployment")["spec"]


@pytest.mark.parametrize(
    "fields",
    [
        {},
        ALL_SECRETS,
        {"identity": {"cloudEvents": True}},
        {"identity": {"payloadField": "id", "conflictOn": "None"}},
        {"handler": {"http": {"url": "http://charge:8080/"}}},
        {"reprocess": {"id": "again", "ranges": [{"partition": 0, "fromOffset": 1, "toOffset": 9}]}},
        {"paused": True, "mode": "Observe", "filter__exactEntries": 4096, "telemetry__sampleRatio": 1.0},
    ],
)
def test_pods_read_the_resource_as_it_is(tmp_path: Path, fields: dict[str, Any]) -> None:
    given_consumer = consumer(**fields)
    path = tmp_path / "consumer.yaml"
    path.write_text(resolved(given_consumer), encoding="utf-8")
    read = load_consumer(path)
    names = ("name", "namespace", "uid")
    assert [getattr(read.metadata, n) for n in names] == [getattr(given_consumer.metadata, n) for n in names]
    left_out = {"pod", "image", "scaling"}
    assert read.spec.model_dump(exclude=left_out) == given_consumer.spec.model_dump(exclude=left_out)
    assert read.spec.scaling.initial_rate == given_consumer.spec.scaling.initial_rate
    content = yaml.safe_load(path.read_text())
    assert set(content) == {"apiVersion", "kind", "metadata", "spec"}
    assert set(content["metadata"]) == {"name", "namespace", "uid"}


def test_no_value_of_the_environment_is_in_the_config_map() -> None:
    made = planned(pod__env=[{"name": "API_TOKEN", "value": "top-secret"}])
    assert "top-secret" not in str(object_of(made, "ConfigMap"))
    [container] = template(made)["spec"]["containers"]
    assert container["env"] == [{"name": "API_TOKEN", "value": "top-secret"}]


def test_secrets_are_mounted_where_the_runtime_looks() -> None:
    spec = template(planned(**ALL_SECRETS))["spec"]
    volumes = {one["name"]: one["secret"]["secretName"] for one in spec["volumes"] if "secret" in one}
    mounts = {
        volumes[one["name"]]: one for one in spec["containers"][0]["volumeMounts"] if one["name"] in volumes
    }
    assert {name: one["mountPath"] for name, one in mounts.items()} == {
        name: f"/etc/doublegate/secrets/{name}" for name in SECRETS
    }
    assert all(one["readOnly"] for one in mounts.values())
    assert all(
        "." not in one["name"] for one in spec["volumes"]
    )  # a volume's name is a label, a Secret's not


def test_pods_are_restricted() -> None:
    spec = template(planned())["spec"]
    context = spec["containers"][0]["securityContext"]
    assert context["runAsNonRoot"]
    assert context["readOnlyRootFilesystem"]
    assert context["allowPrivilegeEscalation"] is False
    assert context["capabilities"] == {"drop": ["ALL"]}
    assert spec["automountServiceAccountToken"] is False
    assert spec["serviceAccountName"] == "payments"


def test_an_account_of_yours_is_used_with_its_token() -> None:
    made = planned(pod__serviceAccountName="charger")
    assert template(made)["spec"]["serviceAccountName"] == "charger"
    assert template(made)["spec"]["automountServiceAccountToken"] is True
    assert all(one["kind"] != "ServiceAccount" for one in made.objects)


@pytest.mark.parametrize(
    ("fields", "seconds"),
    [
        ({}, 45),
        ({"handler__timeout": "29s"}, 45),
        ({"handler__timeout": "90s"}, 106),
        ({"pod__terminationGracePeriodSeconds": 7}, 7),
    ],
)
def test_pods_may_drain(fields: dict[str, Any], seconds: int) -> None:
    assert template(planned(**fields))["spec"]["terminationGracePeriodSeconds"] == seconds


def test_labels_of_yours_do_not_change_the_selector() -> None:
    made = planned(pod__labels={"app.kubernetes.io/instance": "other", "team": "pay"})
    labels = template(made)["metadata"]["labels"]
    selector = object_of(made, "Deployment")["spec"]["selector"]["matchLabels"]
    assert labels["team"] == "pay"
    assert selector.items() <= labels.items()
    assert made.status.selector == ",".join(f"{key}={value}" for key, value in selector.items())


@pytest.mark.parametrize(
    ("fields", "rolls"),
    [
        ({}, False),
        ({"generation": 7}, False),
        ({"scaling__maxReplicas": 3}, False),
        ({"retries__attempts": 9}, True),
        ({"image": "registry.example/payments:2"}, True),
        ({"paused": True}, True),
        ({"pod__env": [{"name": "A", "value": "b"}]}, True),
        ({"handler__timeout": "11s"}, True),
        ({"schema__reads": {"amount": {"required": True, "takes": ["integer"]}}}, False),
        ({"schema__subject": "other"}, True),
    ],
)
def test_the_hash_follows_what_a_pod_is_given(fields: dict[str, Any], rolls: bool) -> None:
    registry = {"schema__registryUrl": "http://registry:8080"}
    before, after = planned(**registry), planned(**registry, **fields)
    assert (after.status.config_hash != before.status.config_hash) == rolls


def test_a_secret_that_nothing_mounts_rolls_nothing() -> None:
    changed = planned(secrets={**SECRETS, "valkey": "new"})
    assert changed.status.config_hash == planned().status.config_hash
    ours = {"ledger__secretRef": "valkey"}
    changed = planned(secrets={**SECRETS, "valkey": "new"}, **ours)
    assert changed.status.config_hash != planned(**ours).status.config_hash


def test_only_the_operator_and_prometheus_reach_the_pods() -> None:
    spec = object_of(planned(), "NetworkPolicy")["spec"]
    assert spec["policyTypes"] == ["Ingress"]  # out is open
    [rule] = spec["ingress"]
    operator, prometheus = rule["from"]
    assert operator["namespaceSelector"] == {"matchLabels": {"kubernetes.io/metadata.name": "operators"}}
    assert operator["podSelector"]["matchLabels"]
    assert prometheus["podSelector"] == {"matchLabels": {"app.kubernetes.io/name": "prometheus"}}
    assert rule["ports"] == [{"port": 8080, "protocol": "TCP"}]
