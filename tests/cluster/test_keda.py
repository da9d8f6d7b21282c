"""KEDA is real: it serves a group's lag as a metric, and a Deployment follows it."""

from __future__ import annotations

import json
import uuid
from typing import TYPE_CHECKING

import pytest
from confluent_kafka import TopicPartition
from confluent_kafka.cimpl import NewTopic

from tests.cluster import manifests as m
from tests.consumers import Group
from tests.helpers import eventually

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cluster.namespace import Namespace
    from tests.cluster.platform import Platform

pytestmark = pytest.mark.timeout(420)

PARTITIONS = 6
THRESHOLD = 10
SECONDS = 120.0


@pytest.mark.usefixtures("keda")
def test_a_deployment_follows_the_lag(namespace: Namespace, platform: Platform, tmp_path: Path) -> None:
    group = Group(platform.outside, f"t-{uuid.uuid4().hex[:10]}", tmp_path)
    topic = NewTopic(group.topic, num_partitions=PARTITIONS, replication_factor=1)
    group.admin.create_topics([topic])[group.topic].result(30)
    for number in range(6 * THRESHOLD):
        group.send(f"e-{number}", partition=number % PARTITIONS)
    group.flush()
    _commit(group, 0)
    idle = m.container(
        "idle",
        namespace.cluster.images["consumer"],
        memory="32Mi",
        command=["python3", "-c", "import signal; signal.pause()"],
    )
    namespace.apply(
        m.deployment("idle", idle, replicas=0, terminationGracePeriodSeconds=1),
        _scaled_object("idle", group, platform),
    )
    eventually(lambda: _lag(namespace) == 6 * THRESHOLD, SECONDS)
    eventually(lambda: len(namespace.ready_pods("idle")) == 3, SECONDS)
    _commit(group, THRESHOLD)
    eventually(lambda: not namespace.pods("idle"), SECONDS)


def _commit(group: Group, offset: int) -> None:
    """Set the group's lag exactly: nobody consumes."""
    places = [TopicPartition(group.topic, number, offset) for number in range(PARTITIONS)]
    group.onlooker.commit(offsets=places, asynchronous=False)


def _lag(namespace: Namespace) -> float:
    """What the API server hands on from KEDA's adapter."""
    named = json.loads(namespace.kubectl("get", "scaledobject", "idle", "--output=json"))
    [name] = named.get("status", {}).get("externalMetricNames", [None])
    if name is None:
        return -1
    path = f"/apis/external.metrics.k8s.io/v1beta1/namespaces/{namespace.name}/{name}"
    answer = namespace.cluster.run("get", "--raw", f"{path}?labelSelector=scaledobject.keda.sh%2Fname%3Didle")
    return float(json.loads(answer)["items"][0]["value"])


def _scaled_object(name: str, group: Group, platform: Platform) -> m.Object:
    trigger = {
        "bootstrapServers": platform.inside.bootstrap_servers,
        "consumerGroup": group.name,
        "topic": group.topic,
        "lagThreshold": str(THRESHOLD),
        "offsetResetPolicy": "earliest",
        "allowIdleConsumers": "true",
    }
    return {
        "apiVersion": "keda.sh/v1alpha1",
        "kind": "ScaledObject",
        "metadata": {"name": name},
        "spec": {
            "scaleTargetRef": {"name": name},
            "pollingInterval": 2,
            "cooldownPeriod": 2,
            "minReplicaCount": 0,
            "maxReplicaCount": 3,
            "triggers": [{"type": "kafka", "metadata": trigger}],
        },
    }
