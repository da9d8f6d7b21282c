"""The number of pods follows the lag, through the real KEDA: from none to the most, and down one by one."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import pytest

from tests.cluster.consumers import FarSide
from tests.cluster.operated import Operated, install_crds, install_operator
from tests.helpers import eventually

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cluster.namespace import Namespace
    from tests.cluster.platform import Platform

pytestmark = pytest.mark.timeout(900)

PARTITIONS = 4
MOST = 3
EVENTS = 600
SECONDS = 180.0


@pytest.fixture
def operated(namespace: Namespace, keda: None) -> Namespace:
    """A namespace with an operator, in a cluster with KEDA."""
    install_crds(namespace)
    install_operator(namespace)
    return namespace


def test_replicas_follow_the_lag(operated: Namespace, platform: Platform, tmp_path: Path) -> None:
    far_side = FarSide(operated)
    # `mail_slowly` takes 0.3 s, so a pod with 2 workers manages about 6 events a second.
    consumer = Operated(
        operated,
        platform,
        tmp_path,
        handler="mail_slowly",
        env={"FAR_SIDE": far_side.inside},
        kafka={"partitions": PARTITIONS},
        flow={"maxInFlight": 20, "concurrency": {"min": 2, "max": 2}},
        pod={
            "resources": {"requests": {"cpu": "50m"}}
        },  # beside the servers, two cores have room for no more
        scaling={
            "minReplicas": 0,
            "maxReplicas": MOST,
            "targetDrain": "10s",
            "initialRate": 6,
        },
    )
    consumer.wait(seconds=SECONDS)  # at zero pods when none is wanted
    eventually(lambda: consumer.replicas() == 0, SECONDS)
    for number in range(EVENTS):
        consumer.group.send(f"e-{number}", key=b"k%d" % number)
    consumer.group.flush()
    seen = [0]

    def grown() -> bool:
        if (now := consumer.replicas()) != seen[-1]:
            seen.append(now)
        return now == MOST

    eventually(grown, SECONDS, 0.5)
    consumer.wait(seconds=SECONDS)
    assert consumer.status["scaling"]["message"]
    eventually(lambda: len(far_side.performed()) == EVENTS, SECONDS)

    def shrunk() -> bool:
        if (now := consumer.replicas()) != seen[-1]:
            seen.append(now)
        return now < MOST

    eventually(shrunk, SECONDS * 2, 0.5)
    assert all(after <= MOST for after in seen)
    assert all(before - after <= 1 or after == 0 for before, after in pairwise(seen)), seen
    performed = far_side.performed()
    assert sum(performed.values()) - len(performed) <= consumer.status.get("unknownOutcomes", 0)
