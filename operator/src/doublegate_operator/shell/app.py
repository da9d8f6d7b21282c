"""The operator as a whole: waits to lead, then lists, watches and looks, until it is told to stop.

A standby does nothing but try the lease. Whoever leads lists everything before its first look, so nothing
depends on what the former leader knew. Leadership that is lost ends the process (`__main__`): a look may be
in the middle of a call to Kafka in a thread, which nothing but the end of the process stops for certain, and
starting anew is what a standby does anyway.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from typing import Any

from lightkube import AsyncClient

from doublegate_operator.shell.around import Around
from doublegate_operator.shell.events import Events
from doublegate_operator.shell.health import Health, HealthServer
from doublegate_operator.shell.kinds import CONSUMER, Kind
from doublegate_operator.shell.kube import ApiLeases, Kube
from doublegate_operator.shell.lease import Election, LeadershipLost
from doublegate_operator.shell.listing import Listing
from doublegate_operator.shell.logs import Once
from doublegate_operator.shell.metrics import Metrics
from doublegate_operator.shell.parts import Parts
from doublegate_operator.shell.queue import WorkQueue
from doublegate_operator.shell.reconcile import Reconciler
from doublegate_operator.shell.replays import Replays
from doublegate_operator.shell.settings import Settings
from doublegate_operator.shell.view import Key, View, key_of
from doublegate_operator.shell.watching import Watching

__all__ = ["Operator"]

log = logging.getLogger(__name__)

_LIST_AGAIN = 2.0
"""Seconds until the next try of a list that failed."""


class Operator:
    """One process of the operator.

    Args:
        settings: of the process.
        client: the API, with our field manager.
        parts: Kafka and the others.
    """

    def __init__(self, settings: Settings, client: AsyncClient, parts: Parts) -> None:
        self._settings = settings
        self._view = View()
        self._kube = Kube(client)
        self._queue: WorkQueue[Key] = WorkQueue(self._look)
        self._metrics = Metrics(self._view, lambda: self._queue.depth, lambda: self._kube.calls)
        events = Events(self._kube, settings.pod_name)
        around = Around(self._kube, self._view, parts, events, settings.core, self._metrics)
        self._consumers, self._replays = Reconciler(around), Replays(around)
        self._listing = Listing(self._kube, self._view, settings.namespaces)
        self._watching = Watching(self._told, settings.namespaces)
        leases = ApiLeases(client, settings.pod_namespace, settings.lease_name)
        self._election = Election(leases, settings.pod_name)
        self._health = Health(lambda: self._election.asked_at)
        self._once = Once(log)
        self.server = HealthServer(self._health, self._metrics, settings.metrics_port)

    async def run(self, stop: asyncio.Event) -> None:
        """Work until told to stop, and give the lease back then.

        Raises:
            LeadershipLost: another operator may act by now; end the process.
        """
        async with self.server:
            log.info("waiting for the lease %s as %s", self._settings.lease_name, self._settings.pod_name)
            if not await _before(stop, self._election.acquire()):
                return
            log.info("leads")
            self._health.leads = True
            self._metrics.leader.set(1)
            try:
                await _before(stop, self._work())
            finally:
                await self._watching.stop()
            await self._election.release()
            log.info("stopped, and gave the lease back")

    async def _work(self) -> None:
        over: BaseException | None = None
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._election.hold())
                group.create_task(self._queue.run())
                group.create_task(self._list())
        except* LeadershipLost as lost:
            over = lost.exceptions[0]  # raised here it would be in a group again
        if over is not None:
            raise over

    async def _list(self) -> None:
        while True:
            try:
                changed = await self._listing.refresh()
            except Exception as error:  # noqa: BLE001 - the API server is away: try again
                self._once.failure("the lists", "listing failed; tried again", error=error)
                await asyncio.sleep(_LIST_AGAIN)
                continue
            self._once.over("the lists")
            for key in changed:
                self._queue.add(key)
            if not self._health.listed:
                log.info("listed; resources to look at: %d", sum(1 for _ in self._view.all(CONSUMER)))
                self._health.listed = True
            await self._watching.ensure(self._view.served)
            await asyncio.sleep(self._settings.resync)

    def _told(self, kind: Kind, raw: Mapping[str, Any], deleted: bool) -> None:
        changed = self._view.seen(kind, raw, deleted=deleted)
        if changed and (key := key_of(kind, raw)) is not None:
            self._queue.add(key)

    async def _look(self, key: Key) -> float | None:
        looks = self._consumers if key.kind is CONSUMER else self._replays
        return await looks.look(key.namespace, key.name)


async def _before(stop: asyncio.Event, work: Any) -> bool:
    """Do the work until told to stop.

    Returns:
        Whether the work came to its end.
    """
    working, stopping = asyncio.create_task(work), asyncio.create_task(stop.wait())
    try:
        await asyncio.wait((working, stopping), return_when=asyncio.FIRST_COMPLETED)
        if working.done():
            working.result()
            return True
        return False
    finally:
        stopping.cancel()
        working.cancel()
        await asyncio.gather(working, return_exceptions=True)
