"""The external API: a small HTTP service that keeps every call it got.

`POST /charge` honours the `Idempotency-Key`: it performs a key once and answers repeats with the stored
result. `POST /mail` performs every call. `GET /effects` is the proof's source: how often each event's effect
happened.

Run as a process of its own: `python -m doublegate.demo.far_side --calls FILE --port-file FILE`. It serves
until its standard input closes, so that it can't outlive the demo, or until SIGTERM; its memory ends with it.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import signal
import sys
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

from aiohttp import web

__all__ = ["FarSide", "make_app"]

LOOPBACK = "127.0.0.1"
FLUSH_SECONDS = 0.2


class FarSide:
    """What the service knows.

    Args:
        calls: every call is appended here, one JSON object a line.
    """

    def __init__(self, calls: IO[str]) -> None:
        self._calls = calls
        self._results: dict[str, dict[str, Any]] = {}
        self.called = {"charge": Counter[str](), "mail": Counter[str]()}
        self.performed = {"charge": Counter[str](), "mail": Counter[str]()}

    def charge(self, key: str, event_id: str, owner: str) -> dict[str, Any]:
        """Perform a charge once per key."""
        self._keep("charge", key, event_id, owner)
        stored = self._results.get(key)
        if stored is not None:
            return stored | {"repeated": True}
        self.performed["charge"][event_id] += 1
        self._results[key] = {"charge": len(self._results) + 1, "id": event_id}
        return self._results[key] | {"repeated": False}

    def mail(self, key: str, event_id: str, owner: str) -> dict[str, Any]:
        """Send a mail, whatever was sent before."""
        self._keep("mail", key, event_id, owner)
        self.performed["mail"][event_id] += 1
        return {"sent": self.performed["mail"][event_id], "id": event_id}

    def summary(self) -> dict[str, dict[str, Any]]:
        """Counts of each endpoint."""
        return {
            name: {
                "calls": self.called[name].total(),
                "performed": performed.total(),
                "ids": len(performed),
                "max_per_id": max(performed.values(), default=0),
                "histogram": {str(times): ids for times, ids in sorted(Counter(performed.values()).items())},
            }
            for name, performed in self.performed.items()
        }

    def _keep(self, endpoint: str, key: str, event_id: str, owner: str) -> None:
        self.called[endpoint][event_id] += 1
        call = {"at": time.time(), "endpoint": endpoint, "id": event_id, "key": key, "owner": owner}
        self._calls.write(json.dumps(call) + "\n")


def make_app(far: FarSide) -> web.Application:
    """The HTTP face of it."""

    async def perform(request: web.Request) -> web.Response:
        try:
            body = await request.json()
            event_id, owner = str(body["id"]), str(body["owner"])
        except (ValueError, KeyError, TypeError):
            return web.json_response({"error": 'the body is {"id": ..., "owner": ...}'}, status=400)
        key = request.headers.get("Idempotency-Key", "")
        if request.path == "/mail":
            return web.json_response(far.mail(key, event_id, owner))
        if not key:
            return web.json_response({"error": "a charge needs the header Idempotency-Key"}, status=400)
        return web.json_response(far.charge(key, event_id, owner))

    async def summary(_: web.Request) -> web.Response:
        return web.json_response(far.summary())

    async def effects(_: web.Request) -> web.Response:
        return web.json_response({"performed": far.performed, "called": far.called})

    app = web.Application()
    app.add_routes(
        [
            web.post("/charge", perform),
            web.post("/mail", perform),
            web.get("/summary", summary),
            web.get("/effects", effects),
        ]
    )
    return app


async def _serve(calls: Path, port_file: Path) -> None:
    loop, ended = asyncio.get_running_loop(), asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, ended.set)
    await loop.connect_read_pipe(lambda: _Lifeline(ended), sys.stdin)
    with calls.open("a", encoding="utf-8") as file:
        runner = web.AppRunner(make_app(FarSide(file)), access_log=None)
        await runner.setup()
        await web.TCPSite(runner, LOOPBACK, 0).start()
        _announce(port_file, runner.addresses[0][1])
        while not ended.is_set():
            file.flush()
            with suppress(TimeoutError):
                await asyncio.wait_for(ended.wait(), FLUSH_SECONDS)
        await runner.cleanup()


class _Lifeline(asyncio.Protocol):
    """Ends the service when whoever started it is gone."""

    def __init__(self, ended: asyncio.Event) -> None:
        self._ended = ended

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - the protocol's signature
        self._ended.set()


def _announce(port_file: Path, port: int) -> None:
    fresh = port_file.with_suffix(".new")
    fresh.write_text(str(port))
    fresh.replace(port_file)  # whoever reads it reads all of it


def main() -> None:
    """Serve until told to end."""
    parser = argparse.ArgumentParser(description="the demo's external API")
    parser.add_argument("--calls", type=Path, required=True, help="file that keeps every call")
    parser.add_argument("--port-file", type=Path, required=True, help="file that gets the port")
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO)
    asyncio.run(_serve(arguments.calls, arguments.port_file))


if __name__ == "__main__":
    main()
