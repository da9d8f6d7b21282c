"""ASGI: tokens in and out of requests, for any framework.

The middleware puts a `Consistency` into `scope["state"]["consistency"]` (Starlette: `request.state`).
"""

import logging
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from doublegate.consistency import carrier
from doublegate.consistency.decision import Decision
from doublegate.consistency.reader import Reader
from doublegate.consistency.token import Token, Tokens

__all__ = ["Consistency", "ConsistencyMiddleware"]

log = logging.getLogger(__name__)

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]


class Consistency:
    """What one request knows of its sender's writes.

    Args:
        reader: decides.
        tokens: that the request brought, oldest first.

    Attributes:
        tokens: those, and then what this request wrote.
        wrote_here: whether it wrote.
    """

    def __init__(self, reader: Reader, tokens: tuple[Token, ...]) -> None:
        self._reader = reader
        self.tokens = tokens
        self.wrote_here = False
        self.started = False

    async def read(self, timeout: float) -> Decision:  # noqa: ASYNC109 - not a deadline
        """Where to read so that every write of these tokens shows, waiting up to `timeout` seconds."""
        return await self._reader.read_async(*self.tokens, timeout=timeout)

    def wrote(self, token: Token) -> None:
        """The request wrote this; its response will carry the token."""
        if self.started:
            log.error(
                "a write was told after its response had started, whose sender may not see it; tell it before"
            )
        self.tokens = (*self.tokens, token)
        self.wrote_here = True


class ConsistencyMiddleware:
    """Reads tokens from header and cookie, and sets both on the responses of requests that wrote.

    Args:
        app: the application.
        reader: of the read model that the application reads.
        tokens: turns tokens into text and back.
    """

    def __init__(self, app: App, reader: Reader, tokens: Tokens) -> None:
        self._app = app
        self._reader = reader
        self._tokens = tokens

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        consistency = Consistency(self._reader, carrier.read(scope["headers"], self._tokens))
        state = {**scope.get("state", {}), "consistency": consistency}

        async def sending(message: Message) -> None:
            if message["type"] == "http.response.start":
                consistency.started = True
                if consistency.wrote_here:
                    secure = scope.get("scheme") == "https"
                    message = {
                        **message,
                        "headers": [*message.get("headers", ()), *self._headers(consistency, secure)],
                    }
            await send(message)

        await self._app({**scope, "state": state}, receive, sending)

    def _headers(self, consistency: Consistency, secure: bool) -> list[tuple[bytes, bytes]]:
        text = carrier.join(consistency.tokens, self._tokens)
        cookie = carrier.set_cookie(text, secure=secure)
        return [(carrier.NAME.encode(), text.encode()), (b"set-cookie", cookie.encode())]
