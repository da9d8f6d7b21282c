"""Kubernetes Events about a resource; the same thing said again counts up instead of filling the list."""

from __future__ import annotations

import hashlib
import logging
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from doublegate_operator.core.status import stamp
from doublegate_operator.core.wanted import Event
from doublegate_operator.shell.kinds import EVENT
from doublegate_operator.shell.kube import MANAGER, Kube
from doublegate_operator.shell.logs import Once

__all__ = ["Events"]

log = logging.getLogger(__name__)

_REMEMBERED = 4096
_LONGEST = 1000  # of 1,024 that the API allows
_AGAIN = 60.0
"""Seconds in which the same thing is not said twice: a part that comes and goes would say it each time."""


@dataclass
class _Said:
    name: str
    first: str
    at: datetime
    count: int = 1


class Events:
    """Posts them.

    Args:
        kube: the API.
        instance: the operator's own name.
        now: the time; a test's own.
    """

    def __init__(
        self, kube: Kube, instance: str, now: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        self._kube = kube
        self._instance = instance
        self._now = now
        self._said: OrderedDict[tuple[str, ...], _Said] = OrderedDict()
        self._once = Once(log)

    async def post(self, resource: Mapping[str, Any], event: Event) -> None:
        """Say it about a resource. An Event that can't be posted is no reason to stop."""
        meta = resource["metadata"]
        key = (meta["uid"], event.type, str(event.reason), event.message)
        said, now = self._said.get(key), self._now()
        if said is not None and (now - said.at).total_seconds() < _AGAIN:
            return
        try:
            if said is None or not await self._count_up(meta["namespace"], said, now):
                self._said[key] = await self._create(resource, event, key, now)
        except Exception as error:  # noqa: BLE001 - nobody depends on it
            self._once.failure("events", "an Event can't be posted", error=error)
        else:
            self._once.over("events")
        self._said.move_to_end(key) if key in self._said else None
        while len(self._said) > _REMEMBERED:
            self._said.popitem(last=False)

    async def _count_up(self, namespace: str, said: _Said, now: datetime) -> bool:
        change = {"count": said.count + 1, "lastTimestamp": stamp(now)}
        if await self._kube.merge(EVENT, namespace, said.name, change) is None:
            return False  # Events live for an hour
        said.count += 1
        said.at = now
        return True

    async def _create(
        self, resource: Mapping[str, Any], event: Event, key: tuple[str, ...], now: datetime
    ) -> _Said:
        meta, at = resource["metadata"], stamp(now)
        digest = hashlib.sha256("\0".join((*key, at, self._instance)).encode()).hexdigest()[:16]
        name = f"{meta['name'][:200]}.{digest}"
        manifest = {
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {"name": name, "namespace": meta["namespace"]},
            "involvedObject": {
                "apiVersion": resource["apiVersion"],
                "kind": resource["kind"],
                "namespace": meta["namespace"],
                "name": meta["name"],
                "uid": meta["uid"],
                "resourceVersion": meta.get("resourceVersion", ""),
            },
            "type": event.type,
            "reason": str(event.reason),
            "message": event.message[:_LONGEST],
            "source": {"component": MANAGER},
            "reportingComponent": MANAGER,
            "reportingInstance": self._instance,
            "firstTimestamp": at,
            "lastTimestamp": at,
            "count": 1,
        }
        await self._kube.create(EVENT, manifest)
        return _Said(name, at, now)
