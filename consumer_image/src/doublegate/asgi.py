"""ASGI middleware: what consumers can't bear is refused at the edge, with 429 and Retry-After.

For any ASGI application that produces events; it needs no framework, and knows the producer by one method.
"""

import logging
import math
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Final, Protocol

from doublegate.producer_errors import Backpressure
from doublegate.producer_throttle import FlowState

__all__ = ["BackpressureMiddleware", "KnowsFlow"]

log = logging.getLogger(__name__)

_Message = MutableMapping[str, Any]
_Receive = Callable[[], Awaitable[_Message]]
_Send = Callable[[_Message], Awaitable[None]]
_App = Callable[[_Message, _Receive, _Send], Awaitable[None]]

_BODY: Final = b"too many requests for what follows them: try again later\n"


class KnowsFlow(Protocol):
    """A `doublegate.Producer`, or what else knows a topic's consumers."""

    def flow_state(self, topic: str) -> FlowState:
        """What is known of a topic now."""


class BackpressureMiddleware:
    """Answers 429 for a request that ends in `Backpressure`.

    With a producer and a topic it does so before the application works on it, while the topic's next event
    would have to wait: put it around the routes that write to the topic. Call `produce(wait=False)` or
    `produce_async` in the application; a `produce` that waits holds up the event loop.

    Args:
        app: the application.
        producer: one with `flow="follow"`.
        topic: where the application's events go.
    """

    def __init__(self, app: _App, *, producer: KnowsFlow | None = None, topic: str | None = None) -> None:
        if (producer is None) != (topic is None):
            raise ValueError("producer and topic belong together: give both, or none of them")
        self._app = app
        self._producer = producer
        self._topic = topic

    async def __call__(self, scope: _Message, receive: _Receive, send: _Send) -> None:
        """One connection; only HTTP requests are looked at."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        if self._producer is not None and self._topic is not None:
            wait = self._producer.flow_state(self._topic).retry_after
            if wait:
                await _refuse(send, wait)
                return
        started = False

        async def watched(message: _Message) -> None:
            nonlocal started
            started = started or message["type"] == "http.response.start"
            await send(message)

        try:
            await self._app(scope, receive, watched)
        except Backpressure as refused:
            if started:  # too late for another status
                raise
            log.info("429: %s", refused)
            await _refuse(send, refused.retry_after)


async def _refuse(send: _Send, retry_after: float) -> None:
    headers = [
        (b"retry-after", b"%d" % max(1, math.ceil(retry_after))),  # whole seconds, by RFC 9110
        (b"content-type", b"text/plain; charset=utf-8"),
        (b"content-length", b"%d" % len(_BODY)),
    ]
    await send({"type": "http.response.start", "status": 429, "headers": headers})
    await send({"type": "http.response.body", "body": _BODY})
