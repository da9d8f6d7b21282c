"""A pod's readiness is the truth: it has its partitions, and its ledger answers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.cluster.consumers import FarSide, PodConsumer
from tests.cluster.platform import VALKEY, valkey_objects
from tests.helpers import eventually

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cluster.namespace import Namespace
    from tests.cluster.platform import Platform

pytestmark = pytest.mark.timeout(420)

SECONDS = 90.0


def test_readiness_follows_the_assignment_and_the_ledger(
    namespace: Namespace, platform: Platform, tmp_path: Path
) -> None:
    far_side = FarSide(namespace)
    namespace.apply(*valkey_objects(namespace.cluster.images["valkey"]))  # of its own: it is taken away
    namespace.wait_rolled_out("valkey")
    consumer = PodConsumer(
        namespace,
        platform,
        tmp_path,
        env={"FAR_SIDE": far_side.inside},
        partitions=4,
        ledger={"url": f"redis://valkey:{VALKEY}/0"},
    )
    [pod] = consumer.wait_ready()
    assigned = [one for one in consumer.status(pod)["partitions"] if one["topic"] == consumer.group.topic]
    assert len(assigned) == 4, "Ready before it had its partitions"
    ids = consumer.group.send_many(50)
    consumer.group.wait_committed(SECONDS)

    namespace.scale("valkey", 0)
    eventually(lambda: not namespace.ready_pods("consumer"), SECONDS)
    code, problems = consumer.ask(pod, "/readyz")
    assert code == 503
    assert "ledger" in problems
    assert consumer.ask(pod, "/livez")[0] == 200, "a restart would not bring the ledger back"
    ids += consumer.group.send_many(50, prefix="f")

    namespace.scale("valkey", 1)
    [same] = consumer.wait_ready(SECONDS)
    assert same.metadata.name == pod.metadata.name
    assert [one.restartCount for one in same.status.containerStatuses] == [0]
    consumer.group.wait_committed(SECONDS)
    assert far_side.performed() == dict.fromkeys(ids, 1)
