"""One look at a DeadLetterReplay: consumer, Job, and what the Job's pod tells; then what the plan wants."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from pydantic import ValidationError

from doublegate.contract.errors import InvalidConsumer, InvalidReplay
from doublegate.contract.replay_progress import ReplayProgress
from doublegate.contract.replay_resource import DeadLetterReplay, ReplayStatus, parse_replay
from doublegate.contract.resource import IdempotentConsumer, parse_consumer
from doublegate_operator.core.facts import Failure
from doublegate_operator.core.replay import (
    JobFacts,
    ReplayObserved,
    ReplayPlan,
    blocked_replay,
    plan_replay,
    refused_replay,
)
from doublegate_operator.core.replay_job import JOB_LABEL, job_name
from doublegate_operator.core.replay_status import ended
from doublegate_operator.shell.applying import Foreign, failure_of
from doublegate_operator.shell.around import Around
from doublegate_operator.shell.kinds import CONFIG_MAP, CONSUMER, JOB, POD, REPLAY
from doublegate_operator.shell.kube import Refused
from doublegate_operator.shell.observing import status_of
from doublegate_operator.shell.view import Raw, controller_of

__all__ = ["Replays"]

log = logging.getLogger(__name__)

_KINDS = {"ConfigMap": CONFIG_MAP, "Job": JOB}


class Replays:
    """Looks at DeadLetterReplays.

    Args:
        around: what it works with.
    """

    def __init__(self, around: Around) -> None:
        self._around = around

    async def look(self, namespace: str, name: str) -> float | None:
        """Do what is to be done now.

        Returns:
            Seconds until the next look; None when the resource is gone or at its end.
        """
        with self._around.metrics.look() as outcome:
            known = self._around.view.get(REPLAY, namespace, name)
            if known is None or "deletionTimestamp" in known.raw["metadata"]:
                outcome("gone")  # its objects go with it
                return None
            if ended((known.raw.get("status") or {}).get("phase")):
                outcome("done")  # whatever version of the operator wrote the rest of it
                return None
            planned = await self._plan(known.raw)
            try:
                for manifest in planned.objects:
                    await self._make(known.raw, manifest)
            except (Refused, Foreign) as problem:
                planned = _blocked(known.raw, failure_of(problem), self._around.now())
            await self._around.write_status(REPLAY, known.raw, planned.status)
            for event in planned.events:
                await self._around.events.post(known.raw, event)
            outcome("changed" if planned.objects else "done")
            return planned.again

    async def _plan(self, resource: Raw) -> ReplayPlan:
        former = status_of(resource, ReplayStatus)
        try:
            replay = parse_replay(resource, source="DeadLetterReplay")
        except InvalidReplay as invalid:
            text = "; ".join(map(str, invalid.problems))
            generation = resource["metadata"].get("generation", 0)
            return refused_replay(generation, former, self._around.now(), text)
        consumer, problem = self._consumer(replay)
        job = await self._job(replay)
        progress, trouble = (None, None) if job is None else await self._told(replay)
        observed = ReplayObserved(
            now=self._around.now(),
            consumer=consumer,
            problem=problem,
            job=None if job is None else _job_facts(job, trouble),
            progress=progress,
            status=former,
        )
        return plan_replay(replay, observed, self._around.settings)

    def _consumer(self, replay: DeadLetterReplay) -> tuple[IdempotentConsumer | None, str | None]:
        name = replay.spec.consumer_ref.name
        known = self._around.view.get(CONSUMER, replay.metadata.namespace, name)
        if known is None:
            return None, None
        try:
            return parse_consumer(known.raw, source=f"IdempotentConsumer {name}"), None
        except InvalidConsumer as invalid:
            return None, str(invalid)

    async def _job(self, replay: DeadLetterReplay) -> Raw | None:
        """The replay's own; asked for where the view has none, or a second one might be made."""
        own = replay.metadata
        known = self._around.view.get(JOB, own.namespace, job_name(own.name))
        found = known.raw if known else await self._around.kube.get(JOB, own.namespace, job_name(own.name))
        if found is None or (controller_of(found) or {}).get("uid") != own.uid:
            return None
        return found

    def _pods(self, replay: DeadLetterReplay) -> list[Raw]:
        """The Job's, the newest first."""
        own = replay.metadata
        pods = [
            pod
            for pod in self._around.view.all(POD)
            if pod["metadata"]["namespace"] == own.namespace
            and (pod["metadata"].get("labels") or {}).get(JOB_LABEL) == job_name(own.name)
        ]
        return sorted(pods, key=lambda pod: str(pod["metadata"].get("creationTimestamp")), reverse=True)

    async def _told(self, replay: DeadLetterReplay) -> tuple[ReplayProgress | None, str | None]:
        """What the newest pod says, or said at its end; and why it can't start."""
        trouble, uid = None, replay.metadata.uid
        for pod in self._pods(replay):
            if (told := _parsed(_last_words(pod))) is not None and told.replay_id == uid:
                return told, trouble
            for facts in await self._around.parts.observe_pods([pod]):
                trouble = trouble or facts.trouble
                if (told := _parsed(facts.status)) is not None and told.replay_id == uid:
                    return told, trouble
        return None, trouble

    async def _make(self, resource: Raw, manifest: Mapping[str, Any]) -> None:
        kind, meta = _KINDS[manifest["kind"]], manifest["metadata"]
        found = await self._around.kube.get(kind, meta["namespace"], meta["name"])
        if found is not None and (controller_of(found) or {}).get("uid") != resource["metadata"]["uid"]:
            what = f"{kind} {meta['namespace']}/{meta['name']}"
            raise Foreign(f"{what} exists and is not this replay's. Delete it, or rename the replay.")
        made = await self._around.kube.apply(kind, manifest)
        self._around.view.seen(kind, made)


def _blocked(resource: Raw, why: Failure, now: datetime) -> ReplayPlan:
    generation = resource["metadata"].get("generation", 0)
    return blocked_replay(generation, status_of(resource, ReplayStatus), now, why)


def _job_facts(job: Raw, trouble: str | None) -> JobFacts:
    conditions = {c["type"]: c for c in (job.get("status") or {}).get("conditions") or ()}
    complete, failed = conditions.get("Complete", {}), conditions.get("Failed", {})
    why = str(failed.get("message") or failed.get("reason") or "the Job failed")
    return JobFacts(
        succeeded=complete.get("status") == "True",
        failed=f"{why.rstrip('.')}." if failed.get("status") == "True" else None,
        trouble=trouble,
    )


def _last_words(pod: Raw) -> str | None:
    for container in (pod.get("status") or {}).get("containerStatuses") or ():
        ended = (container.get("state") or {}).get("terminated") or {}
        if ended.get("message"):
            return str(ended["message"])
    return None


def _parsed(told: str | Mapping[str, Any] | None) -> ReplayProgress | None:
    if told is None:
        return None
    try:
        if isinstance(told, str):
            return ReplayProgress.model_validate_json(told)
        return ReplayProgress.model_validate(told)
    except ValidationError:
        return None
