"""Looks at a DeadLetterReplay: one Job, its progress, its end, and never a second one."""

from __future__ import annotations

import asyncio
import copy
import json
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from doublegate.contract.replay_resource import parse_replay
from doublegate_operator.core.facts import PodFacts
from doublegate_operator.core.settings import OperatorSettings
from doublegate_operator.shell.around import Around
from doublegate_operator.shell.events import Events
from doublegate_operator.shell.kinds import CONFIG_MAP, CONSUMER, JOB, POD, REPLAY
from doublegate_operator.shell.metrics import Metrics
from doublegate_operator.shell.replays import Replays
from doublegate_operator.shell.view import View
from tests.unit.operator_shell.fakes import FakeKube, FakeParts, resource, see_all

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from doublegate_operator.shell.kinds import Kind

NAME, JOB_NAME = "again", "again-replay"
DONE = {"type": "Complete", "status": "True"}


class Parts(FakeParts):
    """Pods answer what a test says."""

    answer: Mapping[str, Any] | None = None
    trouble: str | None = None

    async def observe_pods(self, pods: Sequence[Mapping[str, Any]]) -> tuple[PodFacts, ...]:
        names = [pod["metadata"]["name"] for pod in pods]
        return tuple(PodFacts(n, ready=True, status=self.answer, trouble=self.trouble) for n in names)


class Rig:
    """The looks, and all around them."""

    def __init__(self, **spec: Any) -> None:
        self.kube, self.view, self.parts = FakeKube(), View(), Parts()
        kube: Any = self.kube
        metrics = Metrics(self.view, lambda: 0, lambda: 0)
        settings = OperatorSettings(consumer_image="registry.example/consumer:1")
        self.replays = Replays(Around(kube, self.view, self.parts, Events(kube, "op-1"), settings, metrics))
        self.kube.put(
            REPLAY,
            {
                "apiVersion": REPLAY.api_version,
                "kind": REPLAY.kind,
                "metadata": {"name": NAME, "namespace": "shop", "uid": "u-7", "generation": 1},
                "spec": {"consumerRef": {"name": "payments"}, **spec},
            },
        )

    def look(self) -> float | None:
        see_all(self.kube, self.view)
        return asyncio.run(self.replays.look("shop", NAME))

    def of(self, kind: Kind, name: str = JOB_NAME) -> dict[str, Any]:
        return copy.deepcopy(self.kube.objects[kind, "shop", name])

    @property
    def status(self) -> dict[str, Any]:
        found: dict[str, Any] = self.of(REPLAY, NAME)["status"]
        return found

    def condition(self, kind: str) -> tuple[str, str]:
        [found] = [c for c in self.status["conditions"] if c["type"] == kind]
        return found["status"], found["reason"]

    def pod(self, name: str = "p-1", said: Mapping[str, Any] | None = None, created: str = "1") -> None:
        labels = {
            "batch.kubernetes.io/job-name": JOB_NAME,
            "app.kubernetes.io/managed-by": "doublegate-operator",
        }
        state = {} if said is None else {"terminated": {"message": json.dumps(said), "exitCode": 0}}
        meta = {"name": name, "namespace": "shop", "labels": labels, "creationTimestamp": created}
        self.kube.put(POD, {"metadata": meta, "status": {"containerStatuses": [{"state": state}]}})

    def job_ends(self, condition: str, message: str = "") -> None:
        job = self.of(JOB)
        job["status"] = {"conditions": [{"type": condition, "status": "True", "message": message}]}
        self.kube.put(JOB, job)


@pytest.fixture
def rig() -> Rig:
    made = Rig()
    made.kube.put(CONSUMER, resource())
    return made


def test_it_waits_for_its_consumer() -> None:
    rig = Rig()
    assert (rig.look() or 0) < 10
    assert (rig.status["phase"], rig.condition("Ready")) == ("Pending", ("False", "ConsumerMissing"))
    assert rig.condition("Reconciling")[0] == "True"
    assert (JOB, "shop", JOB_NAME) not in rig.kube.objects
    rig.kube.put(CONSUMER, resource())
    rig.look()
    assert rig.status["phase"] == "Running"
    assert rig.of(JOB)["metadata"]["ownerReferences"][0]["uid"] == "u-7"


def test_the_job_reads_the_replay_and_the_consumer(rig: Rig) -> None:
    rig.look()
    [container] = rig.of(JOB)["spec"]["template"]["spec"]["containers"]
    assert container["image"] == "registry.example/payments:1"
    assert container["args"][:2] == ["dlq", "replay"]
    paths = {mount["mountPath"] for mount in container["volumeMounts"]}
    assert {"/etc/doublegate/consumer.yaml", "/etc/doublegate/replay.yaml"} <= paths
    kept = parse_replay(yaml.safe_load(rig.of(CONFIG_MAP)["data"]["replay.yaml"]))
    assert kept.metadata.uid == "u-7"
    assert rig.status["replayId"] == "u-7"
    assert "replicas" not in json.dumps(rig.of(JOB))


def test_progress_is_what_the_pod_tells(rig: Rig) -> None:
    rig.look()
    rig.pod()
    rig.parts.answer = {"replayId": "u-7", "matched": 9, "replayed": 4, "position": {"0": 5}}
    rig.look()
    assert (rig.status["matched"], rig.status["replayed"], rig.status["position"]) == (9, 4, {"0": 5})
    rig.parts.answer = None
    rig.look()
    assert rig.status["replayed"] == 4
    rig.parts.trouble = "container replay: ImagePullBackOff"
    rig.look()
    assert rig.status["conditions"][0]["message"] == "container replay: ImagePullBackOff"


def test_how_it_ended_outlives_its_job(rig: Rig) -> None:
    rig.look()
    rig.pod("old", {"replayId": "u-7", "replayed": 3, "error": "the broker went away"}, "1")
    said = {"replayId": "u-7", "matched": 9, "replayed": 9, "done": 8, "failedAgain": 1, "sent": True}
    rig.pod("new", {**said, "skipped": {"conflict": 2}}, "2")
    rig.job_ends("Complete")
    rig.look()
    ended = rig.status
    assert (ended["phase"], ended["done"], ended["failedAgain"]) == ("Complete", 8, 1)
    assert ended["skipped"] == {"conflict": 2}
    assert rig.condition("Ready") == ("True", "ReplayComplete")
    asyncio.run(rig.kube.delete(JOB, "shop", JOB_NAME))
    rig.look()
    assert (JOB, "shop", JOB_NAME) not in rig.kube.objects
    assert rig.status == ended


def test_a_job_that_somebody_deletes_is_made_again(rig: Rig) -> None:
    rig.look()
    rig.look()
    started = rig.status["startedAt"]
    asyncio.run(rig.kube.delete(JOB, "shop", JOB_NAME))
    rig.look()
    assert (JOB, "shop", JOB_NAME) in rig.kube.objects
    assert rig.status["startedAt"] == started


def test_a_failed_job_says_why(rig: Rig) -> None:
    rig.look()
    rig.pod("p", {"replayId": "u-7", "replayed": 3, "error": "topic shop.replay: not there."})
    rig.job_ends("Failed", "Job has reached the specified backoff limit")
    rig.look()
    assert (rig.status["phase"], rig.condition("Stalled")) == ("Failed", ("True", "ReplayFailed"))
    assert "topic shop.replay: not there." in rig.status["conditions"][0]["message"]
    assert rig.kube.events()[-1] == "ReplayFailed"


def test_a_bad_resource_fails_and_makes_nothing() -> None:
    rig = Rig(rate=-1)
    rig.kube.put(CONSUMER, resource())
    rig.look()
    assert (rig.status["phase"], rig.condition("Stalled")) == ("Failed", ("True", "Invalid"))
    assert "spec.rate" in rig.status["conditions"][0]["message"]
    assert (JOB, "shop", JOB_NAME) not in rig.kube.objects


@pytest.mark.parametrize("kind", [JOB, CONFIG_MAP], ids=str)
def test_a_foreign_object_of_that_name_is_left_alone(rig: Rig, kind: Kind) -> None:
    foreign = {"metadata": {"name": JOB_NAME, "namespace": "shop"}, "status": {"conditions": [DONE]}}
    rig.kube.put(kind, foreign)
    before = rig.of(kind)
    rig.look()
    assert rig.of(kind) == before
    assert (rig.status["phase"], rig.condition("Ready")) == ("Pending", ("False", "ConflictingObject"))
    assert f"{kind} shop/{JOB_NAME}" in rig.status["conditions"][0]["message"]
    asyncio.run(rig.kube.delete(kind, "shop", JOB_NAME))
    rig.look()
    assert rig.status["phase"] == "Running"


def test_a_job_that_is_refused_is_said_and_tried_again(rig: Rig) -> None:
    rig.kube.refuses.add(JOB)
    assert (rig.look() or 0) > 0
    assert (rig.status["phase"], rig.condition("Ready")) == ("Pending", ("False", "ApiRefused"))
    rig.kube.refuses.clear()
    rig.look()
    assert rig.status["phase"] == "Running"
    assert rig.kube.events() == ["ApiRefused", "ReplayRunning"]


@pytest.mark.parametrize("phase", ["Complete", "Failed"])
def test_an_end_that_another_version_wrote_is_an_end(phase: str) -> None:
    rig = Rig(rate=-1)  # which this version refuses
    rig.kube.put(CONSUMER, resource())
    replay = rig.of(REPLAY, NAME)
    replay["status"] = {"phase": phase, "newField": 1}
    rig.kube.put(REPLAY, replay)
    before = list(rig.kube.writes)
    assert rig.look() is None
    assert rig.kube.writes == before


def test_a_former_replay_s_pod_is_not_believed(rig: Rig) -> None:
    rig.look()
    rig.pod("of-a-former", {"replayId": "u-6", "matched": 99, "replayed": 99})
    rig.look()
    assert "replayed" not in rig.status


def test_nothing_is_written_when_nothing_changed(rig: Rig) -> None:
    rig.look()
    rig.look()
    before = list(rig.kube.writes)
    rig.look()
    assert rig.kube.writes == before
