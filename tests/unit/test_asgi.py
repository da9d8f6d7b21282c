"""The middleware, called as an ASGI server calls it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from doublegate.asgi import BackpressureMiddleware
from doublegate.producer_errors import Backpressure
from doublegate.producer_throttle import FlowState

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

HTTP: dict[str, Any] = {"type": "http", "method": "POST", "path": "/"}


class Told:
    def __init__(self, retry_after: float) -> None:
        self.retry_after = retry_after
        self.asked: list[str] = []

    def flow_state(self, topic: str) -> FlowState:
        self.asked.append(topic)
        return FlowState(None, self.retry_after, 0, 0)


def app(error: Exception | None = None, *, late: bool = False) -> Callable[..., Awaitable[None]]:
    async def answer(scope: Any, receive: Any, send: Any) -> None:
        if error is not None and not late:
            raise error
        await send({"type": "http.response.start", "status": 202, "headers": []})
        if error is not None:
            raise error
        await send({"type": "http.response.body", "body": b"taken"})

    return answer


def call(middleware: BackpressureMiddleware, scope: dict[str, Any] = HTTP) -> list[dict[str, Any]]:
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request"}

    async def send(message: Any) -> None:
        sent.append(message)

    asyncio.run(middleware(scope, receive, send))
    return sent


def test_what_passes_is_left_as_it_is() -> None:
    told = Told(0.0)
    start, body = call(BackpressureMiddleware(app(), producer=told, topic="orders"))
    assert (start["status"], body["body"]) == (202, b"taken")
    assert told.asked == ["orders"]


@pytest.mark.parametrize(("wait", "seconds"), [(0.01, b"1"), (1.0, b"1"), (2.2, b"3")])
def test_a_throttled_topic_is_refused_before_the_application_works(wait: float, seconds: bytes) -> None:
    broken = app(RuntimeError("it was called"))
    start, body = call(BackpressureMiddleware(broken, producer=Told(wait), topic="orders"))
    headers = dict(start["headers"])
    assert start["status"] == 429
    assert headers[b"retry-after"] == seconds
    assert int(headers[b"content-length"]) == len(body["body"])


def test_backpressure_from_the_application_is_429_too() -> None:
    start, _ = call(BackpressureMiddleware(app(Backpressure("full", 4.5))))
    assert start["status"] == 429
    assert dict(start["headers"])[b"retry-after"] == b"5"


def test_once_the_answer_began_the_error_goes_on() -> None:
    with pytest.raises(Backpressure):
        call(BackpressureMiddleware(app(Backpressure("full", 1.0), late=True)))


def test_other_errors_and_other_scopes_are_not_its_own() -> None:
    with pytest.raises(ZeroDivisionError):
        call(BackpressureMiddleware(app(ZeroDivisionError())))
    told = Told(9.0)
    assert call(BackpressureMiddleware(app(), producer=told, topic="orders"), {"type": "lifespan"})
    assert not told.asked


def test_half_of_what_it_needs_is_refused() -> None:
    with pytest.raises(ValueError, match="belong together"):
        BackpressureMiddleware(app(), topic="orders")
