"""The pod's HTTP side: `/livez`, `/readyz`, `/metrics`, `/status`.

The probes must tell the truth, so they ask the runtime at every request; an answer that fails is a problem
like any other. The operator reads `/status`.
"""

import json
import logging
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any, Protocol, Self

from doublegate.contract.errors import DoublegateError

__all__ = ["Health", "PortInUse", "StatusServer"]

log = logging.getLogger(__name__)

_JSON = "application/json"
_READ_TIMEOUT = 5.0

Answer = tuple[int, bytes, str]
"""Status code, body, content type."""


class PortInUse(DoublegateError):
    """Somebody else listens there; the message names the port."""


class Health(Protocol):
    """What the runtime says of itself; called from the server's threads, must be quick."""

    def live(self) -> list[str]:
        """What only a restart mends; empty when alive."""

    def ready(self) -> list[str]:
        """What keeps it from working now; empty when ready."""

    def status(self) -> dict[str, Any]:
        """The facts for `/status`, JSON types only."""


class StatusServer:
    """Serves from threads of its own.

    Args:
        health: the runtime.
        page: body and content type of `/metrics`.
        host: the address to bind; loopback keeps it off the network.
        port: 0 takes a free one.

    Attributes:
        port: the port that is served, once started.
    """

    def __init__(
        self,
        health: Health,
        page: Callable[[], tuple[bytes, str]],
        *,
        host: str = "0.0.0.0",  # noqa: S104 - in a pod the kubelet and Prometheus come from outside
        port: int = 8080,
    ) -> None:
        self.port = port
        self._host = host
        self._health = health
        self._page = page
        self._server: ThreadingHTTPServer | None = None
        self._thread: Thread | None = None

    def start(self) -> Self:
        """Bind and serve.

        Raises:
            PortInUse: when the port is taken or may not be bound.
        """
        try:
            server = _Server((self._host, self.port), _handler(self._answer))
        except (OSError, OverflowError) as error:
            raise PortInUse(
                f"cannot serve probes and metrics on {self._host} port {self.port}: {error}; "
                "choose another port, or 0 for a free one"
            ) from error
        self.port = server.server_address[1]
        self._server = server
        self._thread = Thread(
            target=server.serve_forever, kwargs={"poll_interval": 0.1}, name="status", daemon=True
        )
        self._thread.start()
        return self

    def close(self) -> None:
        """Stop serving; idempotent."""
        if self._server is not None and self._thread is not None:
            self._server.shutdown()
            self._server.server_close()
            self._thread.join(_READ_TIMEOUT)
            self._server = None

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.close()

    def _answer(self, path: str) -> Answer:
        try:
            match path:
                case "/livez":
                    return _verdict(self._health.live())
                case "/readyz":
                    return _verdict(self._health.ready())
                case "/metrics":
                    body, kind = self._page()
                    return 200, body, kind
                case "/status":
                    return 200, _json(self._health.status()), _JSON
        except Exception as error:
            log.exception("%s failed", path)
            return 503, _json({"ok": False, "problems": [f"{type(error).__name__}: {error}"]}), _JSON
        return 404, _json({"paths": ["/livez", "/readyz", "/metrics", "/status"]}), _JSON


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    allow_reuse_address = True


def _verdict(problems: list[str]) -> Answer:
    return 503 if problems else 200, _json({"ok": not problems, "problems": problems}), _JSON


def _json(body: dict[str, Any]) -> bytes:
    return json.dumps(body, default=str).encode() + b"\n"


def _handler(answer: Callable[[str], Answer]) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        timeout = _READ_TIMEOUT

        def do_GET(self) -> None:
            status, body, kind = answer(self.path.partition("?")[0])
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class names it
            log.debug(format, *args)

    return Handler
