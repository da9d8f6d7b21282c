"""Collects everything that a plan depends on; all parts are asked at the same time."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from pathlib import Path
from typing import TypeVar

from doublegate.contract.consumer_status import ConsumerStatus
from doublegate.contract.resource import IdempotentConsumer
from doublegate_operator.core.facts import Failure, Observed
from doublegate_operator.core.reasons import Reason
from doublegate_operator.shell.kinds import DEPLOYMENT, POD, POD_MONITOR, SCALED_OBJECT
from doublegate_operator.shell.logs import Once
from doublegate_operator.shell.observing import scaler_facts, status_of, workload_facts
from doublegate_operator.shell.parts import Alive, Parts
from doublegate_operator.shell.view import Raw, View

__all__ = ["observe"]

log = logging.getLogger(__name__)

_once = Once(log)
_LONGEST = 45.0
"""Seconds that a part may take. Clients give up after 15; this is for one that does not."""

T = TypeVar("T")


async def observe(
    resource: Raw,
    consumer: IdempotentConsumer,
    *,
    view: View,
    parts: Parts,
    alive: Alive,
    secrets: tuple[Path, Mapping[str, str | None]],
    now: Callable[[], datetime],
) -> Observed:
    """The facts about a resource."""
    root, fingerprints = secrets
    namespace, name = consumer.metadata.namespace, consumer.metadata.name
    pods = [known.raw for known in view.of(POD, namespace, name)]
    where = f"{namespace}/{name}"
    kafka, ledger, registry, shown = await asyncio.gather(
        _asked(parts.observe_kafka(consumer, root), Reason.KAFKA_UNAVAILABLE, f"Kafka for {where}"),
        _asked(
            parts.observe_ledger(consumer, root, alive), Reason.LEDGER_UNAVAILABLE, f"the ledger for {where}"
        ),
        _asked(
            parts.observe_registry(consumer, root),
            Reason.REGISTRY_UNAVAILABLE,
            f"the registry for {where}",
        ),
        parts.observe_pods(pods),
    )
    deployment = view.get(DEPLOYMENT, namespace, name)
    scaler = view.get(SCALED_OBJECT, namespace, name)
    return Observed(
        now=now(),
        kafka=kafka,
        ledger=ledger,
        registry=registry,
        keda=not view.lacks(SCALED_OBJECT),
        pod_monitors=not view.lacks(POD_MONITOR),
        secrets=fingerprints,
        workload=workload_facts(deployment.raw if deployment else None),
        pods=shown,
        scaler=scaler_facts(scaler.raw if scaler else None),
        status=status_of(resource, ConsumerStatus),
    )


async def _asked(answer: Awaitable[T], reason: Reason, what: str) -> T | Failure:
    """The answer; a failure for whatever its client did not expect."""
    try:
        async with asyncio.timeout(_LONGEST):
            given = await answer
    except Exception as error:  # noqa: BLE001 - one part's trouble must not hide the others'
        _once.failure(what, "asking %s failed", what, error=error)
        kind = type(error).__name__
        return Failure(reason, f"Asking failed with {kind}, which is not expected; see the operator's log.")
    _once.over(what)
    return given
