"""The external API: a process that keeps every call it got, with the time of its arrival.

`POST /plain` performs every call, `POST /keyed` performs each `Idempotency-Key` once. `POST /mood` makes it
misbehave: `lossy` performs and answers 500 now and then, `slow` performs and answers late, `down` refuses
before it performs. `GET /calls?run=R` tells everything about one run.

Times are of the monotonic clock, which all processes of this machine share.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import time
from collections import defaultdict
from typing import Any

from aiohttp import web

SLOW_SECONDS = 1.5
LOSSY_SHARE = 0.3


class FarSide:
    """What the service knows."""

    def __init__(self) -> None:
        self.calls: dict[str, list[dict[str, Any]]] = defaultdict(list)
        self.mood = "well"
        self._keys: set[str] = set()

    async def perform(self, request: web.Request) -> web.Response:
        """Keep the call, and perform it."""
        arrived = time.monotonic()
        call = await request.json()
        if self.mood == "down":
            return web.json_response({"error": "down, nothing was done"}, status=429)
        key = request.headers.get("Idempotency-Key", "")
        call |= {"at": arrived, "key": key, "performed": request.path == "/plain" or key not in self._keys}
        self._keys.add(key)
        self.calls[call["run"]].append(call)
        if self.mood == "slow":
            await asyncio.sleep(SLOW_SECONDS)
        if self.mood == "lossy" and random.random() < LOSSY_SHARE:
            return web.json_response({"error": "performed, and not told"}, status=500)
        return web.json_response({"performed": call["performed"]})

    async def tell(self, request: web.Request) -> web.Response:
        """All calls of a run."""
        return web.json_response(self.calls[request.query["run"]])

    async def set_mood(self, request: web.Request) -> web.Response:
        """How it behaves from now on."""
        self.mood = (await request.json())["mood"]
        return web.json_response({})


def main() -> None:
    """Serve until the process is stopped."""
    parser = argparse.ArgumentParser()
    parser.add_argument("port", type=int)
    far = FarSide()
    app = web.Application()
    app.add_routes(
        [
            web.post("/plain", far.perform),
            web.post("/keyed", far.perform),
            web.post("/mood", far.set_mood),
            web.get("/calls", far.tell),
        ]
    )
    web.run_app(app, host="127.0.0.1", port=parser.parse_args().port, access_log=None, print=lambda *_: None)


if __name__ == "__main__":
    main()
