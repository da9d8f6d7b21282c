"""One look at a resource: observe, plan, carry out, write the status.

The outcome depends on the present state alone, so a look can be left anywhere and the next one goes on. What
fails is said in the status and tried again; what nobody expected is raised, and the queue logs it once and
comes back.
"""

from __future__ import annotations

import logging
import math
import random
from collections.abc import Callable
from pathlib import Path

from doublegate.contract.consumer_status import ConsumerStatus
from doublegate.contract.errors import InvalidConsumer, Unsupported
from doublegate.contract.resource import IdempotentConsumer, parse_consumer
from doublegate.contract.support import refuse_unsupported
from doublegate_operator.core.facts import Failure
from doublegate_operator.core.plan import plan, refused
from doublegate_operator.core.reasons import ConditionType, Reason
from doublegate_operator.core.wanted import Event, Plan
from doublegate_operator.shell.applying import Applier
from doublegate_operator.shell.around import Around
from doublegate_operator.shell.blame import blamed, said
from doublegate_operator.shell.kinds import CONSUMER
from doublegate_operator.shell.kube import Refused
from doublegate_operator.shell.logs import Once
from doublegate_operator.shell.looking import observe
from doublegate_operator.shell.observing import status_of
from doublegate_operator.shell.view import Raw

__all__ = ["Reconciler"]

log = logging.getLogger(__name__)

_AT_ONCE = 0.1
_DOUBLINGS = 10

Failures = list[tuple[ConditionType | None, Failure]]


class Reconciler:
    """Looks at IdempotentConsumers.

    Args:
        around: what it works with.
    """

    def __init__(self, around: Around) -> None:
        self._around = around
        self._applier = Applier(around.kube, around.view)
        self._changes: dict[tuple[str, str], int] = {}
        self._once = Once(log)

    async def look(self, namespace: str, name: str) -> float | None:
        """Do what is to be done now.

        Returns:
            Seconds until the next look; None when the resource is gone.
        """
        with self._around.metrics.look() as outcome:
            known = self._around.view.get(CONSUMER, namespace, name)
            if known is None or "deletionTimestamp" in known.raw["metadata"]:
                # Its objects have it as their owner, so the garbage collector removes them.
                self._applier.forget(namespace, name)
                self._changes.pop((namespace, name), None)
                outcome("gone")
                return None
            again = await self._present(known.raw, outcome)
        return again * (0.9 + 0.2 * random.random())  # noqa: S311 - so that looks do not fall together

    async def _present(self, resource: Raw, outcome: Callable[[str], None]) -> float:
        try:
            consumer = parse_consumer(resource, source="IdempotentConsumer")
            refuse_unsupported(consumer.spec)
        except InvalidConsumer as invalid:
            text = "; ".join(map(str, invalid.problems))
            return await self._refuse(resource, Reason.INVALID, text, outcome)
        except Unsupported as unsupported:
            return await self._refuse(resource, Reason.UNSUPPORTED, f"{unsupported}.", outcome)
        try:
            async with self._around.parts.secrets(consumer) as secrets:
                observed = await observe(
                    resource,
                    consumer,
                    view=self._around.view,
                    parts=self._around.parts,
                    alive=self._around.kube.alive,
                    secrets=secrets,
                    now=self._around.now,
                )
                planned = plan(consumer, observed, self._around.settings)
                failures, repaired = await self._carry_out(consumer, planned, secrets[0])
        except Refused as problem:
            await self._around.events.post(resource, Event("Warning", Reason.API_REFUSED, str(problem)))
            raise
        status = planned.status
        for part, failure in failures:
            status = blamed(status, observed.status, part, failure, observed.now)
        await self._write(resource, status)
        causes = [failure for _, failure in failures]
        for event in (*repaired, *said(planned.events, causes)):
            await self._around.events.post(resource, event)
        outcome("failed" if failures else "changed" if planned.changing else "done")
        return self._again(resource, planned, changed=planned.changing and not failures)

    async def _carry_out(
        self, consumer: IdempotentConsumer, planned: Plan, root: Path
    ) -> tuple[Failures, list[Event]]:
        """In the plan's order. Without the group nothing else is touched."""
        parts, meta = self._around.parts, consumer.metadata
        failures: Failures = []
        if planned.bind is not None and (failure := await parts.bind_group(consumer, root, planned.bind)):
            return [(ConditionType.LEDGER_READY, failure)], []
        if planned.topics and (failure := await parts.change_topics(consumer, root, planned.topics)):
            failures.append((ConditionType.TOPICS_READY, failure))
        change = planned.compatibility
        if change is not None and (failure := await parts.set_compatibility(consumer, root, change)):
            failures.append((ConditionType.SCHEMA_COMPATIBLE, failure))
        if not planned.apply:
            return failures, []
        uid = meta.uid or ""
        applied = await self._applier.apply(uid, planned.objects)
        failure = applied.failure
        if failure is None and planned.prune:
            failure = await self._applier.prune(uid, meta.namespace, meta.name, planned.objects)
        if failure is not None:
            failures.append((None, failure))
        text = "Somebody had changed {}; it is as specified again."
        repaired = [Event("Normal", Reason.DRIFT_REPAIRED, text.format(what)) for what in applied.repaired]
        return failures, repaired

    async def _refuse(
        self, resource: Raw, reason: Reason, text: str, outcome: Callable[[str], None]
    ) -> float:
        planned = refused(resource, status_of(resource, ConsumerStatus), self._around.now(), reason, text)
        await self._write(resource, planned.status)
        for event in planned.events:
            await self._around.events.post(resource, event)
        outcome("refused")
        return planned.again

    async def _write(self, resource: Raw, status: ConsumerStatus) -> None:
        """Write it, and say when the served CRD keeps less of it."""
        written = await self._around.write_status(CONSUMER, resource, status)
        if written is None:
            return
        body = status.model_dump(by_alias=True, exclude_none=True)
        if dropped := sorted(body.keys() - (written.get("status") or {}).keys()):
            text = (
                f"The served CRD drops status.{dropped[0]}: it is older than the operator. "
                "Upgrade the chart doublegate-crds."
            )
            self._once.warning("the CRD", text)
            await self._around.events.post(written, Event("Warning", Reason.SCHEMA_OUTDATED, text))
        else:
            self._once.over("the CRD")

    def _again(self, resource: Raw, planned: Plan, *, changed: bool) -> float:
        """At once after a change; slower when changes never come to an end, which would be a fault."""
        where = (resource["metadata"]["namespace"], resource["metadata"]["name"])
        if not changed:
            self._changes.pop(where, None)
            return planned.again
        count = self._changes.get(where, 0)
        self._changes[where] = count + 1
        return min(planned.again, math.ldexp(_AT_ONCE, min(count, _DOUBLINGS)))
