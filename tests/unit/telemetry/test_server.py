"""The status server: probes that tell the truth, and an end that is one."""

import json
import socket
import threading
from collections.abc import Iterator
from http.client import HTTPConnection
from typing import Any

import pytest

from doublegate.telemetry.server import PortInUse, StatusServer

LOOPBACK = "127.0.0.1"


class Runtime:
    def __init__(self) -> None:
        self.dead: list[str] = []
        self.waiting: list[str] = []
        self.facts: dict[str, Any] = {"lag": 5}
        self.error: Exception | None = None

    def live(self) -> list[str]:
        return self.dead

    def ready(self) -> list[str]:
        if self.error is not None:
            raise self.error
        return self.waiting

    def status(self) -> dict[str, Any]:
        return self.facts


@pytest.fixture
def runtime() -> Runtime:
    return Runtime()


@pytest.fixture
def server(runtime: Runtime) -> Iterator[StatusServer]:
    with StatusServer(runtime, lambda: (b"up 1\n", "text/plain"), host=LOOPBACK, port=0) as server:
        yield server


def get(server: StatusServer, path: str) -> tuple[int, Any]:
    connection = HTTPConnection(LOOPBACK, server.port, timeout=5)
    try:
        connection.request("GET", path)
        response = connection.getresponse()
        body = response.read()
        return response.status, json.loads(body) if "json" in response.headers["Content-Type"] else body
    finally:
        connection.close()


def test_probes_follow_the_runtime(server: StatusServer, runtime: Runtime) -> None:
    assert get(server, "/livez") == (200, {"ok": True, "problems": []})
    assert get(server, "/readyz?verbose") == (200, {"ok": True, "problems": []})
    runtime.waiting = ["no assignment", "ledger away"]
    assert get(server, "/readyz") == (503, {"ok": False, "problems": ["no assignment", "ledger away"]})
    assert get(server, "/livez")[0] == 200
    runtime.dead = ["loop stuck for 61 s"]
    assert get(server, "/livez")[0] == 503


def test_a_probe_that_fails_is_a_problem_and_not_the_end(server: StatusServer, runtime: Runtime) -> None:
    runtime.error = RuntimeError("broken")
    assert get(server, "/readyz") == (503, {"ok": False, "problems": ["RuntimeError: broken"]})
    assert get(server, "/livez")[0] == 200


def test_metrics_status_and_the_rest(server: StatusServer, runtime: Runtime) -> None:
    runtime.facts = {"lag": 5, "odd": {1}}
    assert get(server, "/metrics") == (200, b"up 1\n")
    assert get(server, "/status")[1]["lag"] == 5
    assert get(server, "/")[0] == 404


def test_a_port_in_use_is_named(server: StatusServer, runtime: Runtime) -> None:
    with pytest.raises(PortInUse, match=str(server.port)):
        StatusServer(runtime, lambda: (b"", ""), host=LOOPBACK, port=server.port).start()


def test_a_silent_client_does_not_block_others_or_the_end(runtime: Runtime) -> None:
    server = StatusServer(runtime, lambda: (b"", ""), host=LOOPBACK, port=0).start()
    with socket.create_connection((LOOPBACK, server.port), timeout=5):
        assert get(server, "/livez")[0] == 200
        closing = threading.Thread(target=server.close)
        closing.start()
        closing.join(5)
        assert not closing.is_alive()
    server.close()
    with pytest.raises(OSError):
        socket.create_connection((LOOPBACK, server.port), timeout=1).close()
