"""`/livez`, `/readyz` and `/metrics`.

Alive is who answers here at all: the queue, the election and this server share one event loop. Ready is who
reached the API server lately, and the leader also when it lists what it watches; a standby is ready too, or
a rollout of two would wait for ever.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Self

from aiohttp import web

from doublegate_operator.shell.metrics import Metrics

__all__ = ["Health", "HealthServer"]

_SILENT = 60.0


class Health:
    """What is known of the operator itself.

    Args:
        asked_at: when the API server was last reached, in monotonic seconds.
        clock: monotonic seconds; a test's own.
    """

    def __init__(self, asked_at: Callable[[], float], clock: Callable[[], float] = time.monotonic) -> None:
        self._asked_at = asked_at
        self._clock = clock
        self.leads = False
        self.listed = False

    def problems(self) -> list[str]:
        """What keeps it from its work; empty when it is ready."""
        found = []
        if self._clock() - self._asked_at() > _SILENT:
            found.append(f"the API server was not reached for {_SILENT:.0f} s")
        if self.leads and not self.listed:
            found.append("leads, and has not listed its resources yet")
        return found


class HealthServer:
    """Serves from the operator's event loop.

    Args:
        health: what is known.
        metrics: what is counted.
        port: 0 takes a free one.

    Attributes:
        port: the port that is served.
    """

    def __init__(self, health: Health, metrics: Metrics, port: int) -> None:
        self.port = port
        self._health = health
        self._metrics = metrics
        app = web.Application()
        app.add_routes(
            [
                web.get("/livez", self._live),
                web.get("/readyz", self._ready),
                web.get("/metrics", self._page),
            ]
        )
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=1)

    async def __aenter__(self) -> Self:
        await self._runner.setup()
        site = web.TCPSite(self._runner, "0.0.0.0", self.port)  # noqa: S104 - the kubelet comes from outside
        await site.start()
        self.port = self._runner.addresses[0][1]
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._runner.cleanup()

    async def _live(self, _: web.Request) -> web.Response:
        return _verdict([])

    async def _ready(self, _: web.Request) -> web.Response:
        return _verdict(self._health.problems())

    async def _page(self, _: web.Request) -> web.Response:
        return web.Response(
            body=self._metrics.page(), headers={"Content-Type": "text/plain; version=0.0.4; charset=utf-8"}
        )


def _verdict(problems: list[str]) -> web.Response:
    body = json.dumps({"ok": not problems, "problems": problems}) + "\n"
    return web.Response(text=body, status=503 if problems else 200, content_type="application/json")
