"""HTTP handlers against a real server on a socket."""

from __future__ import annotations

import json
import socket
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import pytest

from doublegate.contract.states import UnknownCause
from doublegate.runtime.http_handler import http_handler
from doublegate.runtime.outcome import Outcome
from tests.unit.runtime.harness import SECONDS, Engine, record

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from doublegate.runtime.record import Record

DONE, NOT_DONE, UNKNOWN = Outcome.DONE, Outcome.NOT_DONE, Outcome.UNKNOWN
TRACEPARENT = "00-" + "1" * 32 + "-" + "2" * 16 + "-00"


class FarSide:
    """Answers what a test wants, and keeps what it got."""

    def __init__(self) -> None:
        self.got: list[tuple[dict[str, str], bytes]] = []
        self.answer: Callable[[BaseHTTPRequestHandler], None] = lambda request: self.respond(request, 204)
        far = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                far.got.append((dict(self.headers.items()), body))
                far.answer(self)

            def log_message(self, *_: Any) -> None:  # type: ignore[override]
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/charge"
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()

    @staticmethod
    def respond(request: BaseHTTPRequestHandler, status: int, **headers: str) -> None:
        request.send_response(status)
        for name, value in headers.items():
            request.send_header(name.replace("_", "-"), value)
        request.send_header("Content-Length", "4" if status >= 300 else "0")
        request.end_headers()
        if status >= 300:
            request.wfile.write(b"why?")

    def will(self, status: int, **headers: str) -> None:
        self.answer = lambda request: self.respond(request, status, **headers)


@pytest.fixture
def far_side() -> Iterator[FarSide]:
    made = FarSide()
    yield made
    made.server.shutdown()
    made.server.server_close()


@pytest.fixture
def engine() -> Iterator[Engine]:
    made = Engine()
    yield made
    made.stop()


def start(engine: Engine, url: str, *, decoded: bool = False, **terms: Any) -> Engine:
    return engine.start(http_handler(url, decoded=decoded), **terms)


def test_what_the_far_side_gets(engine: Engine, far_side: FarSide) -> None:
    event = record("a/b:ü", payload=b"\x00raw")
    event.headers.append(("traceparent", TRACEPARENT.encode()))
    assert start(engine, far_side.url, scope="shop eu").run(event) == [DONE]
    ((headers, body),) = far_side.got
    assert body == b"\x00raw"
    assert headers["Content-Type"] == "application/octet-stream"
    assert headers["Idempotency-Key"] == "shop%20eu:a%2Fb%3A%C3%BC"
    assert headers["traceparent"] == TRACEPARENT
    assert headers["Doublegate-Event-Id"] == "a%2Fb%3A%C3%BC"
    assert (headers["Doublegate-Topic"], headers["Doublegate-Partition"]) == ("source", "3")
    assert (headers["Doublegate-Offset"], headers["Doublegate-Attempt"]) == ("7", "1")


def test_a_decoded_record_goes_as_json(engine: Engine, far_side: FarSide) -> None:
    good, tombstone = record("1", payload=b'{"a": "\xc3\xbc"}'), record("2", payload=None)
    assert start(engine, far_side.url, decoded=True, decode=json.loads).run(good, tombstone) == [DONE, DONE]
    assert [json.loads(body) for _, body in far_side.got] == [{"a": "ü"}, None]
    assert far_side.got[0][0]["Content-Type"] == "application/json"
    assert "Doublegate-Tombstone" not in far_side.got[0][0]
    assert far_side.got[1][0]["Doublegate-Tombstone"] == "true"


@pytest.mark.parametrize(
    ("status", "outcome", "final"),
    [
        (200, DONE, False),
        (202, DONE, False),
        (302, NOT_DONE, True),
        (400, NOT_DONE, True),
        (408, NOT_DONE, False),
        (409, NOT_DONE, True),
        (422, NOT_DONE, True),
        (425, NOT_DONE, False),
        (429, NOT_DONE, False),
        (500, UNKNOWN, False),
        (503, UNKNOWN, False),
    ],
)
def test_what_a_status_says(
    engine: Engine, far_side: FarSide, status: int, outcome: Outcome, final: bool
) -> None:
    far_side.will(status, Location="http://elsewhere.example/")
    event = record("1")
    assert start(engine, far_side.url).run(event) == [outcome]
    assert event.result is not None
    assert event.result.final is final
    if outcome is not DONE:
        assert f"HTTP {status}" in event.result.error
        assert "why?" in event.result.error


def test_a_conflict_on_a_repeated_attempt_is_unknown(engine: Engine, far_side: FarSide) -> None:
    far_side.will(409)
    event = record("1")
    event.unknown = True
    assert start(engine, far_side.url).run(event) == [UNKNOWN]


@pytest.mark.parametrize(
    ("value", "least", "most"),
    [("7", 7, 7), ("Wed, 21 Oct 2099 07:28:00 GMT", 3600, 3600), ("Wed, 21 Oct 2015 07:28:00 GMT", 0, 0)],
)
def test_retry_after(engine: Engine, far_side: FarSide, value: str, least: float, most: float) -> None:
    far_side.will(429, Retry_After=value)
    event = record("1")
    start(engine, far_side.url).run(event)
    assert event.result is not None
    assert event.result.retry_after is not None
    assert least <= event.result.retry_after <= most


@pytest.mark.parametrize("value", [None, "soon"])
def test_without_a_usable_retry_after_the_backoff_decides(
    engine: Engine, far_side: FarSide, value: str | None
) -> None:
    far_side.will(429, **({"Retry_After": value} if value else {}))
    event = record("1")
    start(engine, far_side.url).run(event)
    assert event.result is not None
    assert event.result.retry_after is None


def test_nobody_listens(engine: Engine) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    event = record("1")
    assert start(engine, f"http://127.0.0.1:{port}/").run(event) == [NOT_DONE]
    assert event.result is not None
    assert not event.result.final


def test_no_such_host(engine: Engine) -> None:
    assert start(engine, "http://no-such-host.invalid/").run(record("1")) == [NOT_DONE]


def test_a_connection_that_is_cut_leaves_the_outcome_unknown(engine: Engine, far_side: FarSide) -> None:
    far_side.answer = lambda request: request.connection.shutdown(socket.SHUT_RDWR)
    event = record("1")
    assert start(engine, far_side.url).run(event) == [UNKNOWN]
    assert event.result is not None
    assert event.result.cause is UnknownCause.DOWNSTREAM
    assert len(far_side.got) == 1, "a client that repeats by itself would perform it twice"


def test_an_answer_that_takes_too_long_is_unknown(engine: Engine, far_side: FarSide) -> None:
    gate = threading.Event()

    def wait(request: BaseHTTPRequestHandler) -> None:
        gate.wait(SECONDS)
        FarSide.respond(request, 204)

    far_side.answer = wait
    event = record("1")
    assert start(engine, far_side.url, timeout=0.1).run(event) == [UNKNOWN]
    gate.set()
    assert event.result is not None
    assert event.result.cause is UnknownCause.TIMEOUT


def test_connections_are_reused(engine: Engine, far_side: FarSide) -> None:
    ports: set[int] = set()

    def note(request: BaseHTTPRequestHandler) -> None:
        ports.add(request.client_address[1])
        FarSide.respond(request, 204)

    far_side.answer = note
    records: list[Record] = [record(str(n), lane=n) for n in range(20)]
    assert start(engine, far_side.url).run(*records) == [DONE] * 20
    assert len(ports) == 1
