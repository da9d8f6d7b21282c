"""Plans for a DeadLetterReplay: one Job, made of the consumer's parts, and an end that stays."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
import yaml
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from doublegate.contract.replay_progress import ReplayProgress
from doublegate.contract.replay_resource import DeadLetterReplay, Phase, ReplayStatus, parse_replay
from doublegate_operator.core.facts import Failure
from doublegate_operator.core.reasons import Reason
from doublegate_operator.core.replay import (
    JobFacts,
    ReplayObserved,
    ReplayPlan,
    blocked_replay,
    plan_replay,
    refused_replay,
)
from doublegate_operator.core.settings import OperatorSettings
from tests.unit.operator.world import NOW, SETTINGS, consumer

UID = "u-7"
ENDS = (Phase.COMPLETE, Phase.FAILED)


def order(name: str = "again", **spec: Any) -> DeadLetterReplay:
    return parse_replay(
        {
            "apiVersion": "doublegate.dev/v1alpha1",
            "kind": "DeadLetterReplay",
            "metadata": {"name": name, "namespace": "shop", "uid": UID, "generation": 1},
            "spec": {"consumerRef": {"name": "payments"}, **spec},
        }
    )


def planned(seen: ReplayObserved, settings: OperatorSettings = SETTINGS, **spec: Any) -> ReplayPlan:
    return plan_replay(order(**spec), seen, settings)


def job_of(made: ReplayPlan) -> dict[str, Any]:
    [job] = [one for one in made.objects if one["kind"] == "Job"]
    return dict(job)


def pod_of(made: ReplayPlan) -> dict[str, Any]:
    pod: dict[str, Any] = job_of(made)["spec"]["template"]["spec"]
    return pod


def container_of(made: ReplayPlan) -> dict[str, Any]:
    [container] = pod_of(made)["containers"]
    return dict(container)


def ready(made: ReplayPlan) -> tuple[str, str]:
    [found] = [c for c in made.status.conditions if c.type == "Ready"]
    return found.status, found.reason


def message(made: ReplayPlan) -> str:
    return made.status.conditions[0].message


# --- before the Job


@pytest.mark.parametrize(
    ("seen", "words"),
    [
        (ReplayObserved(NOW), "no IdempotentConsumer payments"),
        (ReplayObserved(NOW, problem="spec.topic: missing"), "spec.topic: missing"),
        (ReplayObserved(NOW, consumer(image=None)), "names no image"),
    ],
    ids=["none", "invalid", "no image"],
)
def test_it_waits_for_a_consumer_that_it_can_use(seen: ReplayObserved, words: str) -> None:
    made = planned(seen)
    assert made.objects == ()
    assert (made.status.phase, ready(made)) == (Phase.PENDING, ("False", Reason.CONSUMER_MISSING))
    assert words in message(made)
    assert made.again < 10


def test_the_operator_s_image_serves_a_consumer_without_one() -> None:
    made = planned(ReplayObserved(NOW, consumer(image=None)), replace(SETTINGS, consumer_image="r/c:2"))
    assert container_of(made)["image"] == "r/c:2"


# --- the Job


def test_the_job_reuses_what_the_consumer_s_pods_have() -> None:
    given = {
        "kafka__securityRef": "kafka-login",
        "pod__env": [{"name": "A", "value": "1"}],
        "pod__envFrom": [{"secretRef": {"name": "more"}}],
        "pod__nodeSelector": {"disk": "fast"},
        "pod__imagePullSecrets": [{"name": "pull"}],
    }
    made = planned(ReplayObserved(NOW, consumer(**given)))
    container, pod = container_of(made), pod_of(made)
    assert container["image"] == "registry.example/payments:1"
    assert container["env"] == [{"name": "A", "value": "1"}]
    assert container["envFrom"] == [{"secretRef": {"name": "more"}}]
    assert pod["nodeSelector"] == {"disk": "fast"}
    assert pod["imagePullSecrets"] == [{"name": "pull"}]
    paths = {mount["mountPath"]: mount["name"] for mount in container["volumeMounts"]}
    volumes = {volume["name"]: volume for volume in pod["volumes"]}
    assert volumes[paths["/etc/doublegate/consumer.yaml"]]["configMap"]["name"] == "payments-config"
    assert volumes[paths["/etc/doublegate/replay.yaml"]]["configMap"]["name"] == "again-replay"
    assert volumes[paths["/etc/doublegate/secrets/kafka-login"]]["secret"]["secretName"] == "kafka-login"
    assert set(paths.values()) == set(volumes)


def test_the_job_has_no_rights_and_bounds() -> None:
    made = planned(ReplayObserved(NOW, consumer()))
    container, pod = container_of(made), pod_of(made)
    context = container["securityContext"]
    assert context["runAsNonRoot"]
    assert context["readOnlyRootFilesystem"]
    assert not context["allowPrivilegeEscalation"]
    assert context["capabilities"] == {"drop": ["ALL"]}
    assert container["resources"]["limits"]["memory"]
    assert pod["automountServiceAccountToken"] is False
    assert pod["restartPolicy"] == "Never"


def test_the_job_is_the_replay_s_and_stays_until_it_goes() -> None:
    made = planned(ReplayObserved(NOW, consumer()))
    job = job_of(made)
    assert "ttlSecondsAfterFinished" not in job["spec"]
    assert "activeDeadlineSeconds" not in job["spec"]  # a paused consumer takes its time
    for one in made.objects:
        [owner] = one["metadata"]["ownerReferences"]
        assert (owner["kind"], owner["uid"], owner["controller"]) == ("DeadLetterReplay", UID, True)
        assert one["metadata"]["namespace"] == "shop"


def test_its_pods_are_not_taken_for_the_consumer_s() -> None:
    labels = job_of(planned(ReplayObserved(NOW, consumer()), name="payments"))["spec"]["template"][
        "metadata"
    ]["labels"]
    assert labels["app.kubernetes.io/name"] != "doublegate-consumer"


def test_every_try_has_the_same_id() -> None:
    first = planned(ReplayObserved(NOW, consumer()))
    assert f"--replay-id={UID}" in container_of(first)["args"]
    later = ReplayObserved(NOW + timedelta(hours=1), consumer(), status=first.status)
    again = planned(later)
    assert again.objects == first.objects
    assert again.status.started_at == first.status.started_at
    assert again.status.replay_id == UID


SPECS = st.fixed_dictionaries(
    {},
    optional={
        "dryRun": st.booleans(),
        "rate": st.floats(0.001, 1e7),
        "maxEvents": st.integers(1, 10**9),
        "acceptUnknown": st.booleans(),
        "acceptConflicts": st.booleans(),
        "selector": st.fixed_dictionaries(
            {},
            optional={
                "reasons": st.lists(st.sampled_from(["failed", "poison", "conflict"]), max_size=3),
                "ids": st.lists(st.text(st.characters(codec="utf-8"), min_size=1, max_size=9), max_size=3),
                "failedAfter": st.datetimes().map(lambda t: t.isoformat() + "Z"),
            },
        ),
    },
)


@settings(deadline=None)
@given(SPECS)
@example({"selector": {"ids": ["a\x85b"]}})  # a line's end to YAML, when it is written as it is
def test_the_job_reads_the_order_as_it_was_given(spec: dict[str, Any]) -> None:
    made = planned(ReplayObserved(NOW, consumer()), **spec)
    [kept] = [one for one in made.objects if one["kind"] == "ConfigMap"]
    assert parse_replay(yaml.safe_load(kept["data"]["replay.yaml"])) == order(**spec)


# --- while it runs, and its end


def progress(**told: Any) -> ReplayProgress:
    return ReplayProgress.model_validate({"replayId": UID, **told})


def running(**more: Any) -> ReplayObserved:
    first = planned(ReplayObserved(NOW, consumer()))
    return replace(ReplayObserved(NOW, consumer(), job=JobFacts(), status=first.status), **more)


def test_it_says_whether_it_sends_or_waits_for_the_group() -> None:
    sending = planned(running(progress=progress(replayed=3)))
    waiting = planned(running(progress=progress(replayed=9, sent=True)))
    assert message(sending) != message(waiting)
    assert (sending.status.replayed, waiting.status.replayed) == (3, 9)
    assert sending.status.phase is waiting.status.phase is Phase.RUNNING
    assert (sending.objects, sending.events) == ((), ())


def test_why_its_pod_can_not_start_is_said() -> None:
    made = planned(running(job=JobFacts(trouble="container replay: ImagePullBackOff")))
    assert (made.status.phase, message(made)) == (Phase.RUNNING, "container replay: ImagePullBackOff")


def test_counts_stay_while_a_pod_tells_nothing() -> None:
    told = planned(running(progress=progress(replayed=4, position={"0": 5})))
    silent = planned(running(status=told.status))
    assert (silent.status.replayed, silent.status.position) == (4, {"0": 5})
    short = planned(
        running(status=told.status, progress=progress(replayed=6))
    )  # a message without its places
    assert (short.status.replayed, short.status.position) == (6, {"0": 5})


def test_a_job_goes_on_although_its_consumer_is_gone() -> None:
    made = planned(running(consumer=None))
    assert made.status.phase is Phase.RUNNING


@pytest.mark.parametrize(
    ("spec", "told", "words"),
    [
        ({}, {}, "9 letters were sent."),
        ({"dryRun": True}, {"dryRun": True}, "9 letters would be sent."),
        ({"maxEvents": 9}, {"complete": False}, "maxEvents was reached"),
    ],
)
def test_how_it_ended(spec: dict[str, Any], told: dict[str, Any], words: str) -> None:
    made = planned(running(job=JobFacts(succeeded=True), progress=progress(replayed=9, **told)), **spec)
    assert (made.status.phase, ready(made)) == (Phase.COMPLETE, ("True", Reason.REPLAY_COMPLETE))
    assert words in message(made)
    assert made.status.finished_at is not None
    assert [event.reason for event in made.events] == [Reason.REPLAY_COMPLETE]


def test_a_failure_has_its_cause_and_the_way_on() -> None:
    seen = running(job=JobFacts(failed="Too many tries."), progress=progress(replayed=3, error="no topic."))
    made = planned(seen)
    assert (made.status.phase, ready(made)) == (Phase.FAILED, ("False", Reason.REPLAY_FAILED))
    assert "no topic." in message(made)
    assert "new replay" in message(made)
    assert made.events[0].type == "Warning"
    silent = planned(running(job=JobFacts(failed="Too many tries.")))
    assert "Too many tries." in message(silent)


@pytest.mark.parametrize("phase", ENDS)
@pytest.mark.parametrize("job", [None, JobFacts(), JobFacts(succeeded=True), JobFacts(failed="why.")])
def test_an_end_is_an_end(phase: Phase, job: JobFacts | None) -> None:
    status = ReplayStatus(phase=phase, replayed=9, replay_id=UID)
    made = planned(ReplayObserved(NOW, consumer(), job=job, progress=progress(replayed=1), status=status))
    assert made == ReplayPlan(status)


def test_a_bad_order_fails_and_a_job_that_can_not_be_made_waits() -> None:
    refused = refused_replay(3, None, NOW, "spec.rate: too low")
    assert (refused.status.phase, refused.status.observed_generation) == (Phase.FAILED, 3)
    assert (refused.events[0].type, refused.objects) == ("Warning", ())
    blocked = blocked_replay(3, None, NOW, Failure(Reason.API_REFUSED, "quota"))
    assert (blocked.status.phase, message(blocked)) == (Phase.PENDING, "quota")
    assert blocked.events[0].type == "Warning"
    again = blocked_replay(3, blocked.status, NOW, Failure(Reason.API_REFUSED, "quota"))
    assert again.events == ()


# --- any world


class Life(RuleBasedStateMachine):
    """A replay, its consumer, its Job and whoever meddles with them; the operator looks in between."""

    def __init__(self) -> None:
        super().__init__()
        self.replay = order()
        self.status: ReplayStatus | None = None
        self.job: JobFacts | None = None
        self.exists = False
        self.sent = 0  # as Kafka keeps it under the replay's id
        self.told: ReplayProgress | None = None
        self.now = NOW
        self.ended: ReplayStatus | None = None
        self.jobs_after_end = 0

    @initialize(exists=st.booleans())
    def begin(self, exists: bool) -> None:
        self.exists = exists

    @rule()
    def look(self) -> None:
        seen = ReplayObserved(
            now=self.now,
            consumer=consumer() if self.exists else None,
            job=self.job,
            progress=self.told,
            status=self.status,
        )
        made = plan_replay(self.replay, seen, SETTINGS)
        if made.objects:
            self.jobs_after_end += self.ended is not None
            assert self.job is None
            self.job = JobFacts()
        former = self.status
        if former is not None:
            for old, new in zip(former.conditions, made.status.conditions, strict=True):
                assert (old.status != new.status) or old.last_transition_time == new.last_transition_time
            if (former.phase, former.conditions[0].reason) == (
                made.status.phase,
                made.status.conditions[0].reason,
            ):
                assert made.events == ()
        self.status = made.status
        if self.status.phase in ENDS and self.ended is None:
            self.ended = self.status

    @rule()
    def consumer_comes_or_goes(self) -> None:
        self.exists = not self.exists

    @precondition(lambda self: self.job is not None and not self.over)
    @rule(more=st.integers(1, 5))
    def sends(self, more: int) -> None:
        self.sent += more
        self.told = progress(replayed=self.sent, position={"0": self.sent})

    @precondition(lambda self: self.job is not None and not self.over)
    @rule(well=st.booleans())
    def ends(self, well: bool) -> None:
        self.told = progress(replayed=self.sent, position={"0": self.sent})
        self.job = JobFacts(succeeded=well, failed=None if well else "Too many tries.")

    @precondition(lambda self: self.job is not None)
    @rule()
    def somebody_deletes_the_job(self) -> None:
        self.job = self.told = None

    @rule(seconds=st.integers(1, 1000))
    def time_passes(self, seconds: int) -> None:
        self.now += timedelta(seconds=seconds)

    @property
    def over(self) -> bool:
        return self.job is not None and (self.job.succeeded or self.job.failed is not None)

    @invariant()
    def an_end_stays(self) -> None:
        assert self.jobs_after_end == 0
        if self.ended is not None:
            assert self.status == self.ended

    @invariant()
    def the_counts_never_go_back(self) -> None:
        if self.status is not None and self.status.replayed is not None:
            assert self.status.replayed <= self.sent

    @invariant()
    def kstatus_reads_one_state(self) -> None:
        if self.status is not None:
            true = [c.type for c in self.status.conditions if c.status == "True"]
            assert len(true) == 1
            assert (self.status.finished_at is not None) == (self.status.phase in ENDS)


TestLife = Life.TestCase
TestLife.settings = settings(deadline=None)
