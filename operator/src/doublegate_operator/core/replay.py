"""What a DeadLetterReplay leads to: one Job of the consumer's image, and a status that outlives it.

The replay's id is the resource's UID, under which the Job's progress is committed in Kafka. So whoever makes
the Job again, after a restart or because somebody deleted it, goes on where it was; and what is at its end is
never begun again.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from doublegate.contract.replay_progress import ReplayProgress
from doublegate.contract.replay_resource import DeadLetterReplay, Phase, ReplayStatus
from doublegate.contract.resource import IdempotentConsumer
from doublegate_operator.core.facts import Failure
from doublegate_operator.core.reasons import Reason
from doublegate_operator.core.replay_job import job_name, replay_objects
from doublegate_operator.core.replay_status import conditions_of, counted, ended, events
from doublegate_operator.core.settings import OperatorSettings
from doublegate_operator.core.status import stamp
from doublegate_operator.core.wanted import Event, Object

__all__ = ["JobFacts", "ReplayObserved", "ReplayPlan", "blocked_replay", "plan_replay", "refused_replay"]

_SOON, _LATER, _LATE = 2.0, 30.0, 300.0


@dataclass(frozen=True, slots=True)
class JobFacts:
    """The Job.

    Attributes:
        succeeded: it came to its end.
        failed: it gave up; its own words for why.
        trouble: why its pod can't start; None when it can.
    """

    succeeded: bool = False
    failed: str | None = None
    trouble: str | None = None


@dataclass(frozen=True, slots=True)
class ReplayObserved:
    """What a plan depends on.

    Attributes:
        now: time of the look, with a time zone.
        consumer: the resource that is named; None when there is none.
        problem: why it can't be used; None when it can.
        job: the Job; None when there is none.
        progress: what its pod told last; None when it told nothing yet.
        status: what was written last; None for a new resource.
    """

    now: datetime
    consumer: IdempotentConsumer | None = None
    problem: str | None = None
    job: JobFacts | None = None
    progress: ReplayProgress | None = None
    status: ReplayStatus | None = None


@dataclass(frozen=True, slots=True)
class ReplayPlan:
    """What to do.

    Attributes:
        status: to write, whole.
        objects: to create where they are missing.
        events: to post.
        again: seconds until the next look.
    """

    status: ReplayStatus
    objects: tuple[Object, ...] = ()
    events: tuple[Event, ...] = ()
    again: float = _LATE


def plan_replay(replay: DeadLetterReplay, seen: ReplayObserved, settings: OperatorSettings) -> ReplayPlan:
    """Make the Job, follow it, and keep how it ended."""
    former = seen.status or ReplayStatus()
    if ended(former.phase):
        return ReplayPlan(former)
    if seen.job is None:
        return _begin(replay, seen, former, settings)
    status = counted(former, seen.progress)
    if seen.job.succeeded:
        left = "" if status.complete is not False else "; maxEvents was reached, more letters are left"
        text = f"{status.replayed or 0} letters were sent{left}."
        if replay.spec.dry_run:
            text = f"{status.replayed or 0} letters would be sent{left}."
        return _end(replay, seen, status, Phase.COMPLETE, Reason.REPLAY_COMPLETE, text)
    if seen.job.failed is not None:
        why = (seen.progress.error if seen.progress else None) or seen.job.failed
        text = (
            f"{why} Sent so far: {status.replayed or 0}. Mend it and make a new replay; what was performed "
            "is a proven duplicate to it."
        )
        return _end(replay, seen, status, Phase.FAILED, Reason.REPLAY_FAILED, text)
    waits = seen.progress is not None and seen.progress.sent
    text = "All is sent; the group works it off." if waits else "Letters are being sent."
    return _going(replay, seen, status, Phase.RUNNING, Reason.REPLAY_RUNNING, seen.job.trouble or text)


def refused_replay(generation: int, former: ReplayStatus | None, now: datetime, message: str) -> ReplayPlan:
    """For a resource that the models refuse: it fails, and changes nothing."""
    return _without_look(generation, former, now, Phase.FAILED, Failure(Reason.INVALID, message), _LATE)


def blocked_replay(generation: int, former: ReplayStatus | None, now: datetime, why: Failure) -> ReplayPlan:
    """For a Job that can't be made: the replay waits until it can."""
    return _without_look(generation, former, now, Phase.PENDING, why, _LATER)


def _without_look(
    generation: int, former: ReplayStatus | None, now: datetime, phase: Phase, why: Failure, again: float
) -> ReplayPlan:
    update = {
        "observed_generation": generation,
        "phase": phase,
        "conditions": conditions_of(former, generation, now, phase, why.reason, why.message),
    }
    status = (former or ReplayStatus()).model_copy(update=update)
    return ReplayPlan(status, events=events(former, status, why.reason, why.message), again=again)


def _begin(
    replay: DeadLetterReplay, seen: ReplayObserved, former: ReplayStatus, settings: OperatorSettings
) -> ReplayPlan:
    name = replay.spec.consumer_ref.name
    consumer = seen.consumer
    image = None if consumer is None else consumer.spec.image or settings.consumer_image
    if consumer is None or image is None or seen.problem is not None:
        text = seen.problem or f"There is no IdempotentConsumer {name} here; the replay waits for it."
        if consumer is not None and image is None:
            text = f"IdempotentConsumer {name} names no image, and the operator has none for it."
        return _going(replay, seen, former, Phase.PENDING, Reason.CONSUMER_MISSING, text)
    started = former.model_copy(
        update={
            "replay_id": replay.metadata.uid,
            "job_name": job_name(replay.metadata.name),
            "started_at": former.started_at or stamp(seen.now),
        }
    )
    made = _going(replay, seen, started, Phase.RUNNING, Reason.REPLAY_RUNNING, "The Job is being made.")
    objects = tuple(replay_objects(replay, consumer, image))
    return ReplayPlan(made.status, objects, made.events, _SOON)


def _going(
    replay: DeadLetterReplay,
    seen: ReplayObserved,
    status: ReplayStatus,
    phase: Phase,
    reason: Reason,
    message: str,
) -> ReplayPlan:
    made = _stated(replay, seen, status, phase, reason, message)
    return ReplayPlan(made, events=events(seen.status, made, reason, message), again=_SOON)


def _end(
    replay: DeadLetterReplay,
    seen: ReplayObserved,
    status: ReplayStatus,
    phase: Phase,
    reason: Reason,
    message: str,
) -> ReplayPlan:
    ended = status.model_copy(update={"finished_at": stamp(seen.now)})
    made = _stated(replay, seen, ended, phase, reason, message)
    return ReplayPlan(made, events=events(seen.status, made, reason, message))


def _stated(
    replay: DeadLetterReplay,
    seen: ReplayObserved,
    status: ReplayStatus,
    phase: Phase,
    reason: Reason,
    message: str,
) -> ReplayStatus:
    generation = replay.metadata.generation or 0
    update = {
        "observed_generation": generation,
        "phase": phase,
        "conditions": conditions_of(seen.status, generation, seen.now, phase, reason, message),
    }
    return status.model_copy(update=update)
