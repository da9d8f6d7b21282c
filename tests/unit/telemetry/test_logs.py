"""Logs: ids on every line about an event, and no flood of duplicates."""

import io
import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from doublegate.telemetry.logs import DuplicateLog, configure, event_logger
from doublegate.telemetry.quiet import OncePer
from doublegate.telemetry.tracing import Tracing


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def root() -> Iterator[None]:
    logger = logging.getLogger()
    handlers, level = logger.handlers[:], logger.level
    yield
    logger.handlers[:] = handlers
    logger.setLevel(level)


@pytest.fixture
def clock() -> Clock:
    return Clock()


def lines(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_json_carries_the_ids_and_what_the_caller_adds() -> None:
    stream = io.StringIO()
    configure("INFO", stream=stream)
    log = event_logger(logging.getLogger("shop"), "order-1", "ab" * 16)
    log.info("charged %d", 5, extra={"amount": 5})
    logging.getLogger("shop").debug("unseen")
    (line,) = lines(stream)
    assert line["message"] == "charged 5"
    assert (line["event_id"], line["trace_id"], line["amount"]) == ("order-1", "ab" * 16, 5)
    assert (line["level"], line["logger"]) == ("INFO", "shop")
    assert "timestamp" in line


def test_lines_without_an_event_have_no_empty_ids() -> None:
    stream = io.StringIO()
    configure(stream=stream)
    logging.getLogger("shop").warning("started")
    (line,) = lines(stream)
    assert not {"event_id", "trace_id", "about"} & line.keys()


def test_the_current_span_lends_its_trace_id() -> None:
    stream = io.StringIO()
    configure(stream=stream)
    tracing = Tracing(service="s", exporter=InMemorySpanExporter())
    with tracing.tracer.start_as_current_span("x") as span:
        logging.getLogger("shop").warning("within")
    assert lines(stream)[0]["trace_id"] == f"{span.get_span_context().trace_id:032x}"


def test_a_terminal_gets_plain_lines() -> None:
    stream = Terminal()
    configure(stream=stream)
    event_logger(logging.getLogger("shop"), "order-1").warning("late")
    assert "shop: late [event_id=order-1]" in stream.getvalue()


def test_an_exception_is_one_line_of_json() -> None:
    stream = io.StringIO()
    configure(stream=stream)
    try:
        int("no\nsuch")
    except ValueError:
        logging.getLogger("shop").exception("failed")
    (line,) = lines(stream)
    assert "ValueError" in line["exc_info"]


def test_duplicates_are_one_line_per_gate_and_interval(
    caplog: pytest.LogCaptureFixture, clock: Clock
) -> None:
    log = DuplicateLog(logging.getLogger("dup"), 10, clock)
    with caplog.at_level(logging.INFO, "dup"):
        for i in range(15_000):
            log.add("memory", 1, f"id-{i}")
            log.add("ledger", 2, f"other-{i}")
            clock.now += 1 / 15_000
    assert len(caplog.records) == 2
    with caplog.at_level(logging.INFO, "dup"):
        log.tick()
        assert len(caplog.records) == 2
        clock.now += 10
        log.tick()
        log.tick()
    assert [(r.gate, r.duplicates, r.event_id) for r in caplog.records] == [  # type: ignore[attr-defined]
        ("memory", 1, "id-0"),
        ("ledger", 2, "other-0"),
        ("memory", 14_999, "id-14999"),
        ("ledger", 29_998, "other-14999"),
    ]


def test_flush_says_what_is_left(caplog: pytest.LogCaptureFixture, clock: Clock) -> None:
    log = DuplicateLog(logging.getLogger("dup"), 10, clock)
    with caplog.at_level(logging.INFO, "dup"):
        log.add("memory", 1, "a")
        log.add("memory", 4, "b")
        log.flush()
        log.flush()
    assert [r.duplicates for r in caplog.records] == [1, 4]  # type: ignore[attr-defined]


def test_once_per_interval_and_how_many_were_held_back(
    caplog: pytest.LogCaptureFixture, clock: Clock
) -> None:
    logger = logging.getLogger("exporter")
    calm = OncePer(60, clock)
    logger.addFilter(calm)
    try:
        for _ in range(5):
            logger.error("batch %s failed", "x")
        clock.now += 60
        logger.error("batch %s failed", "y")
    finally:
        logger.removeFilter(calm)
    assert [r.getMessage() for r in caplog.records] == [
        "batch x failed",
        "batch y failed (4 like it held back)",
    ]
