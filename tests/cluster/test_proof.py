"""The demo's proof, in pods: real flights, copies, poison, a kill; read from the far side afterwards."""

from __future__ import annotations

import shutil
from dataclasses import asdict
from typing import TYPE_CHECKING

import pytest

from doublegate.demo import settings as names
from doublegate.demo.processes import Children
from doublegate.demo.proof import prove, prove_replayed
from doublegate.demo.publish import Order, plan_of
from doublegate.demo.records import read_records
from doublegate.demo.scene import REPLAY_PARTITIONS, Scene, resolve, set_scene
from doublegate.demo.settings import Settings, examples_directory
from doublegate.demo.traces import LIFE, find_trace
from doublegate.demo.watch import GroupWatch
from tests.cluster import manifests as m
from tests.cluster.consumers import FarSide, Killer, consumer_objects
from tests.helpers import eventually

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from doublegate.demo.proof import Invariant
    from tests.cluster.namespace import Namespace
    from tests.cluster.platform import Platform

pytestmark = pytest.mark.timeout(600)

EVENTS = 12_000
KILLED_AFTER = EVENTS // 4
SECONDS = 240.0
CONSUMER = "flights"


def test_effects_happen_once_in_a_cluster(
    namespace: Namespace, new_namespace: Callable[..., Namespace], platform: Platform, tmp_path: Path
) -> None:
    settings = Settings(home=tmp_path, events=EVENTS, examples=_well_traced(tmp_path / "examples"))
    scene = set_scene(settings, platform.outside)
    far_side = FarSide(namespace)
    objects = _consumer(namespace, platform, settings, scene, far_side, failing=settings.shares.failing)
    namespace.apply(*objects)
    namespace.wait_rolled_out(CONSUMER)
    killer = Killer(new_namespace(security="privileged"), namespace.pods(CONSUMER)[0])
    _, plan = plan_of(settings.events, settings.seed, settings.shares)
    group = _watch(scene)
    with Children(tmp_path / "logs") as children:
        publisher = children.start(
            "publisher", ["-m", "doublegate.demo.publish", _order(settings, scene)], cwd=tmp_path
        )
        eventually(lambda: group.progress().done >= KILLED_AFTER, SECONDS)
        killer.kill()
        assert group.progress().lag > 0, "the kill came too late to prove anything"
        eventually(lambda: publisher.exit_code is not None, SECONDS)
        children.check()
    eventually(lambda: group.progress().lag == 0, SECONDS)
    first = read_records(scene, far_side.url, order=True)
    assert _broken(prove(plan, first, settings.shares.calls)) == []

    # The repaired handler is rolled out as any new version; then what had failed is sent again, from a Job.
    namespace.apply(*_consumer(namespace, platform, settings, scene, far_side, failing=0))
    namespace.wait_rolled_out(CONSUMER, seconds=SECONDS)
    namespace.apply(_replay(namespace))
    eventually(lambda: _succeeded(namespace, "replay"), SECONDS)
    eventually(lambda: group.progress().lag == 0, SECONDS)
    last = read_records(scene, far_side.url, order=False)
    assert _broken(prove_replayed(plan, first, last, settings.shares.calls)) == []
    trace = find_trace(scene, first)
    assert trace is not None
    assert len(trace.spans) >= LIFE, trace


def _well_traced(folder: Path) -> Path:
    """The examples with half of all events traced, so that one of the few that fail is among them."""
    shutil.copytree(examples_directory(), folder)
    file = folder / "flights.yaml"
    rare, often = "sampleRatio: 0.01", "sampleRatio: 0.5"
    assert rare in file.read_text()
    file.write_text(file.read_text().replace(rare, often))
    return folder


def _consumer(
    namespace: Namespace,
    platform: Platform,
    settings: Settings,
    scene: Scene,
    far_side: FarSide,
    *,
    failing: float,
) -> list[m.Object]:
    """Two pods of the example's consumer, with the cluster's addresses."""
    resource = resolve(scene.flights, platform.inside, traces=True)
    return consumer_objects(
        CONSUMER,
        namespace.cluster.images["consumer"],
        resource.model_dump(mode="json", by_alias=True, exclude_none=True),
        {"flights.py": (settings.examples / "flights.py").read_text()},
        env={
            names.FAR_SIDE_URL: far_side.inside,
            names.FAILING: str(failing),
            names.CALLS: str(settings.shares.calls),
        },
        secrets={"postgres": {"dsn": str(platform.inside.postgres_url)}},
        replicas=2,
        memory="400Mi",
    )


def _replay(namespace: Namespace) -> m.Object:
    """A Job of the consumer's image, with its files: `doublegate dlq replay`."""
    one = m.container(
        "replay",
        namespace.cluster.images["consumer"],
        memory="200Mi",
        args=["dlq", "replay", "--reason=failed", "--reason=unknown_outcome", "--accept-unknown"],
        volumes={"secret-postgres": "/etc/doublegate/secrets/postgres"},
    )
    one["volumeMounts"].append(
        {"name": "resource", "mountPath": "/etc/doublegate/consumer.yaml", "subPath": "consumer.yaml"}
    )
    volumes = [
        {"name": "resource", "configMap": {"name": CONSUMER}},
        {"name": "secret-postgres", "secret": {"secretName": f"{CONSUMER}-postgres"}},
    ]
    return m.job("replay", one, volumes)


def _order(settings: Settings, scene: Scene) -> str:
    """What the publisher is told; it may begin at once."""
    go, file = settings.home / "go", settings.home / "order.json"
    go.touch()
    Order(
        consumer=str(scene.flights_file),
        schema=str(settings.examples / "flight.avsc"),
        progress=str(settings.home / "published.json"),
        go=str(go),
        events=settings.events,
        seed=settings.seed,
        shares=asdict(settings.shares),
    ).write(file)
    return str(file)


def _watch(scene: Scene) -> GroupWatch:
    spec = scene.flights.spec
    topics = {spec.kafka.topic: spec.kafka.partitions, spec.replay_topic: REPLAY_PARTITIONS}
    return GroupWatch(scene.kafka, spec.kafka.group, topics)


def _broken(proven: Iterable[Invariant]) -> list[str]:
    return [f"{one.name}: {one.says} {one.examples}" for one in proven if not one.holds]


def _succeeded(namespace: Namespace, job: str) -> bool:
    status = namespace.kubectl("get", "job", job, "--output=jsonpath={.status.succeeded} {.status.failed}")
    assert not status.split()[1:], "the job failed"
    return status.split() == ["1"]
