"""The slow group's downstream: `python -m tests.benchmarks.flow.downstream PORT LATENCY`.

It works on a fixed number of calls at once, so its rate is bounded, lets the others wait, and counts how many
it has. `POST /call` is the effect, `POST /state/<healthy|slow|failing>` changes it, `GET /figures` tells.
Seconds everywhere. It ends when its standard input closes.
"""

from __future__ import annotations

import asyncio
import sys

from aiohttp import web

from doublegate.demo.lifeline import end_with_stdin
from doublegate.local.ports import LOOPBACK
from tests.benchmarks.flow.plan import Far

__all__ = ["SLOTS", "SLOWER"]

SLOTS = 24
"""Calls that it works on at once."""
SLOWER = 10.0
"""Times the latency while it is slow."""


class Downstream:
    """What it knows.

    Args:
        latency: seconds of a call that need not wait.
    """

    def __init__(self, latency: float) -> None:
        self._latency = latency
        self._far = Far.HEALTHY
        self._slots = asyncio.Semaphore(SLOTS)
        self._now = self._peak = self._calls = self._failed = 0

    async def call(self, _: web.Request) -> web.Response:
        """One effect."""
        self._now += 1
        self._calls += 1
        self._peak = max(self._peak, self._now)
        try:
            if self._far is Far.FAILING:
                self._failed += 1
                return web.Response(status=503)
            async with self._slots:
                await asyncio.sleep(self._latency * (SLOWER if self._far is Far.SLOW else 1))
            return web.Response()
        finally:
            self._now -= 1

    async def change(self, request: web.Request) -> web.Response:
        """Become slow, or fail, or be well again."""
        self._far = Far(request.match_info["far"])
        return web.Response()

    async def figures(self, _: web.Request) -> web.Response:
        """Calls and failed ones so far, and the most at once since it was asked last."""
        peak, self._peak = self._peak, self._now
        return web.json_response({"peak": peak, "calls": self._calls, "failed": self._failed})


async def application(latency: float) -> web.Application:
    """The routes; made on the event loop."""
    far, app = Downstream(latency), web.Application()
    app.add_routes(
        [
            web.post("/call", far.call),
            web.post("/state/{far}", far.change),
            web.get("/figures", far.figures),
        ]
    )
    return app


if __name__ == "__main__":
    end_with_stdin()
    web.run_app(
        application(float(sys.argv[2])), host=LOOPBACK, port=int(sys.argv[1]), access_log=None, print=None
    )
