"""Watches, which kopf keeps: reconnects, backoff, expired versions.

kopf runs in a thread with an event loop of its own. It ends every task that was started after it when it
stops, and it has to stop and start again when a kind comes or goes: noticing that by itself would take rights
to list CRDs and namespaces in the whole cluster, which a namespaced operator does not have. `Listing` says
which kinds there are. Only `on.event` is used, which writes nothing to the objects, no finalizer either.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import kopf

from doublegate_operator.shell.kinds import Kind
from doublegate_operator.shell.listing import selector_of

__all__ = ["Watching"]

log = logging.getLogger(__name__)

_STOP_SECONDS = 5.0

Deliver = Callable[[Kind, Mapping[str, Any], bool], None]
"""Kind, object, whether it was deleted."""


class Watching:
    """Tells of every change, in the event loop that started it.

    Args:
        deliver: is told.
        namespaces: to watch; None for all.
    """

    def __init__(self, deliver: Deliver, namespaces: tuple[str, ...] | None) -> None:
        self._deliver = deliver
        self._namespaces = namespaces
        self._kinds: frozenset[Kind] = frozenset()
        self._thread: threading.Thread | None = None
        self._stop = threading.Event()

    @property
    def running(self) -> bool:
        """Whether there are watches now."""
        return self._thread is not None and self._thread.is_alive()

    async def ensure(self, kinds: Iterable[Kind]) -> None:
        """Watch those kinds: start, or start again when it ended or when they are others."""
        wanted = frozenset(kinds)
        if self.running and wanted == self._kinds:
            return
        await self.stop()
        self._kinds = wanted
        self._stop = threading.Event()
        work = (asyncio.get_running_loop(), wanted, self._stop)
        self._thread = threading.Thread(target=self._run, args=work, name="watches", daemon=True)
        self._thread.start()

    async def stop(self) -> None:
        """Stop; nothing is delivered afterwards."""
        self._stop.set()
        if self._thread is not None:
            await asyncio.to_thread(self._thread.join, _STOP_SECONDS)

    def _run(self, loop: asyncio.AbstractEventLoop, kinds: frozenset[Kind], stop: threading.Event) -> None:
        registry, settings = kopf.OperatorRegistry(), kopf.OperatorSettings()
        _login(registry)
        settings.posting.enabled = False
        settings.scanning.disabled = True
        settings.networking.request_timeout = 30
        settings.networking.connect_timeout = 5
        settings.watching.connect_timeout = 5
        settings.watching.inactivity_timeout = 70  # the API server sends a bookmark every 60 s
        for kind in kinds:
            _handle(kind, registry, self._told(loop, kind, stop))
            if labels := selector_of(kind):
                text = ",".join(f"{name}={value}" for name, value in labels.items())
                settings.watching.label_selectors[kind.group or "v1", kind.plural] = text
        try:
            kopf.run(
                registry=registry,
                settings=settings,
                standalone=True,
                clusterwide=self._namespaces is None,
                namespaces=self._namespaces or (),
                stop_flag=stop,
            )
        except Exception:
            log.exception("the watches ended; lists go on, and the next one starts them again")

    def _told(
        self, loop: asyncio.AbstractEventLoop, kind: Kind, stop: threading.Event
    ) -> Callable[[Mapping[str, Any]], None]:
        def deliver(event: Mapping[str, Any]) -> None:
            if not stop.is_set():
                self._deliver(kind, event["object"], event["type"] == "DELETED")

        def told(event: Mapping[str, Any]) -> None:
            with contextlib.suppress(RuntimeError):  # the other loop is closed: the process ends
                loop.call_soon_threadsafe(deliver, event)

        return told


def _handle(kind: Kind, registry: kopf.OperatorRegistry, told: Callable[[Mapping[str, Any]], None]) -> None:
    @kopf.on.event(group=kind.group, version=kind.version, plural=kind.plural, registry=registry)
    async def seen(event: Mapping[str, Any], **_: Any) -> None:
        told(event)


def _login(registry: kopf.OperatorRegistry) -> None:
    @kopf.on.login(registry=registry)
    async def login(**given: Any) -> kopf.ConnectionInfo | None:
        inside = kopf.login_with_service_account(**given)
        return inside if inside is not None else kopf.login_with_kubeconfig(**given)
