from __future__ import annotations

import asyncio
import json
import socket
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest
import requests
from pydantic import BaseModel

from doublegate.contract.deadletter import DeadLetterReason
from doublegate.contract.states import UnknownCause
from doublegate.runtime.event import Context, Event
from doublegate.runtime.executors_outcomes import of_handler
from doublegate.runtime.outcome import Outcome, Reject, Retry, Unknown
from doublegate.schemas.errors import NotFramed, SchemaBroken, SchemaUnavailable
from tests.helpers import eventually
from tests.unit.runtime.harness import SECONDS, Engine, outcomes, record

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from doublegate.runtime.outcome import Attempt

DONE, NOT_DONE, UNKNOWN = Outcome.DONE, Outcome.NOT_DONE, Outcome.UNKNOWN
SHORT = 0.05


@pytest.fixture
def engine() -> Iterator[Engine]:
    made = Engine()
    yield made
    made.stop()


class Calls:
    """The same handler in its four forms; `behave` gets each event id, once per call of the handler."""

    def __init__(self, behave: Callable[[str], Any] = lambda _: None) -> None:
        self.behave = behave
        self.seen: list[str] = []
        self.sizes: list[int] = []

    def form(self, name: str) -> Any:
        def one(event: Event[bytes]) -> None:
            self._call([event])

        def batch(events: list[Event[bytes]]) -> None:
            self._call(events)

        async def async_one(event: Event[bytes]) -> None:
            self._call([event])
            await asyncio.sleep(0)

        async def async_batch(events: list[Event[bytes]]) -> None:
            self._call(events)
            await asyncio.sleep(0)

        return {"sync": one, "batch": batch, "async": async_one, "async batch": async_batch}[name]

    def _call(self, events: list[Event[bytes]]) -> None:
        self.sizes.append(len(events))
        for event in events:
            self.behave(event.id)
        self.seen.extend(event.id for event in events)


FORMS = ["sync", "batch", "async", "async batch"]
SINGLE = ["sync", "async"]
BATCH = ["batch", "async batch"]


def raises(*bad: str, error: Exception) -> Callable[[str], None]:
    def behave(event_id: str) -> None:
        if event_id in bad:
            raise error

    return behave


@pytest.mark.parametrize("form", FORMS)
def test_done_in_order_with_one_report(engine: Engine, form: str) -> None:
    calls = Calls()
    records = [record(str(n), lane=n % 3) for n in range(50)]
    assert engine.start(calls.form(form)).run(*records) == [DONE] * 50
    assert calls.seen == [str(n) for n in range(50)]
    assert [r.attempt for r in records] == [1] * 50
    assert len(engine.reported) == 1
    assert [unit.events for unit in engine.reported] == [50]


@pytest.mark.parametrize("form", SINGLE)
def test_behind_a_failure_the_lane_waits_and_other_lanes_go_on(engine: Engine, form: str) -> None:
    calls = Calls(raises("a1", error=Retry("later", after=3)))
    records = [record("a1"), record("b1", lane=1), record("a2"), record("b2", lane=1)]
    assert engine.start(calls.form(form)).run(*records) == [NOT_DONE, DONE, None, DONE]
    assert calls.seen == ["b1", "b2"]
    assert [r.attempt for r in records] == [1, 1, 0, 1]
    assert records[0].result is not None
    assert records[0].result.retry_after == 3


@pytest.mark.parametrize("form", SINGLE)
def test_a_result_of_an_earlier_attempt_does_not_stay(engine: Engine, form: str) -> None:
    calls = Calls(raises("1", "2", error=Retry("later")))
    engine.start(calls.form(form))
    first, second = record("1"), record("2")
    assert engine.run(second) == [NOT_DONE]
    assert engine.run(first, second) == [NOT_DONE, None]


@pytest.mark.parametrize("form", FORMS)
def test_without_the_lease_no_effect_starts(engine: Engine, form: str) -> None:
    calls = Calls()
    engine.lease = lambda: False
    first = record("1")
    assert engine.start(calls.form(form)).run(first) == [NOT_DONE]
    assert first.result is not None
    assert (first.result.wait, first.attempt, calls.seen) == (True, 0, [])


@pytest.mark.parametrize("form", SINGLE)
def test_the_lease_is_asked_before_each_effect(engine: Engine, form: str) -> None:
    calls = Calls()
    engine.lease = lambda: len(calls.seen) < 2
    records = [record(str(n), lane=n) for n in range(4)]
    assert engine.start(calls.form(form)).run(*records) == [DONE, DONE, NOT_DONE, NOT_DONE]


def test_an_abandoned_handler_is_unknown_at_its_deadline_and_late_afterwards(engine: Engine) -> None:
    gate = threading.Event()
    calls = Calls(lambda event_id: gate.wait(SECONDS) if event_id == "slow" else None)
    records = [record("quick"), record("slow", lane=1), record("next", lane=2)]
    began = time.monotonic()
    ends = engine.start(calls.form("sync"), timeout=SHORT).run(*records)
    assert time.monotonic() - began >= SHORT
    assert ends == [DONE, UNKNOWN, None]
    assert records[1].result is not None
    assert records[1].result.cause is UnknownCause.TIMEOUT
    assert engine.executor is not None
    assert engine.executor.abandoned() == 1
    assert engine.run(record("other")) == [DONE]  # another thread took over
    gate.set()
    engine.wait(lambda: bool(engine.late))
    assert [(r.event_id, a.outcome) for r, a in engine.late] == [(b"slow", DONE)]
    assert records[1].result.outcome is UNKNOWN, "the engine decides what a late end means"
    assert engine.order.index("late") > 0
    engine.wait_no_abandoned()
    assert "next" not in calls.seen


def test_an_abandoned_batch(engine: Engine) -> None:
    gate = threading.Event()
    calls = Calls(lambda _: gate.wait(SECONDS))
    records = [record("1"), record("2")]
    assert engine.start(calls.form("batch"), timeout=SHORT).run(*records) == [UNKNOWN, UNKNOWN]
    gate.set()
    engine.wait(lambda: len(engine.late) == 2)
    assert [a.outcome for _, a in engine.late] == [DONE, DONE]
    engine.wait_no_abandoned()


@pytest.mark.parametrize("batch", [False, True])
def test_an_async_handler_past_its_timeout_is_cancelled(engine: Engine, batch: bool) -> None:
    cancelled: list[bool] = []
    left_over: list[int] = []

    async def slow() -> None:
        try:
            await asyncio.sleep(SECONDS)
        except asyncio.CancelledError:
            cancelled.append(True)
            raise

    async def one(event: Event[bytes]) -> None:
        if event.id == "slow":
            await slow()
        else:
            task = asyncio.current_task()
            assert task is not None
            left_over.append(task.cancelling())

    async def many(events: list[Event[bytes]]) -> None:
        await one(events[0])

    records = [record("slow"), record("same lane"), record("other lane", lane=1)]
    ends = engine.start(many if batch else one, timeout=SHORT).run(*records)
    assert ends == ([UNKNOWN] * 3 if batch else [UNKNOWN, None, DONE])
    assert cancelled == [True]
    assert engine.late == []
    assert left_over == ([] if batch else [0]), "the next handler of the task is not half cancelled"
    assert engine.executor is not None
    assert engine.executor.abandoned() == 0


def test_an_async_handler_that_blocks_the_loop_is_abandoned(engine: Engine) -> None:
    gate = threading.Event()

    async def blocks(event: Event[bytes]) -> None:
        gate.wait(SECONDS)

    first = record("1")
    assert engine.start(blocks, timeout=SHORT).run(first) == [UNKNOWN]
    assert engine.executor is not None
    assert engine.executor.abandoned() == 1
    gate.set()
    engine.wait(lambda: bool(engine.late))
    assert engine.late[0][1].outcome is DONE
    engine.wait_no_abandoned()


def test_a_handler_that_finishes_when_cancelled_is_done(engine: Engine) -> None:
    async def careful(event: Event[bytes]) -> None:
        try:
            await asyncio.sleep(SECONDS)
        except asyncio.CancelledError:
            return

    assert engine.start(careful, timeout=SHORT).run(record("1"), record("2")) == [DONE, DONE]


@pytest.mark.parametrize("form", BATCH)
def test_a_rejected_batch_is_halved_to_the_culprits(engine: Engine, form: str) -> None:
    calls = Calls(raises("5", "11", error=Reject("bad")))
    records = [record(str(n), lane=n) for n in range(16)]
    ends = engine.start(calls.form(form)).run(*records)
    assert [n for n, end in enumerate(ends) if end is not DONE] == [5, 11]
    assert sorted(calls.seen, key=int) == [str(n) for n in range(16) if n not in (5, 11)]
    assert [r.attempt for r in records] == [1] * 16


@pytest.mark.parametrize("form", BATCH)
def test_halves_keep_the_order_of_a_lane(engine: Engine, form: str) -> None:
    calls = Calls(raises("1", error=Reject("bad")))
    records = [record("0"), record("1"), record("2"), record("3"), record("x", lane=1)]
    assert engine.start(calls.form(form)).run(*records) == [DONE, NOT_DONE, None, None, DONE]
    assert calls.seen == ["0", "x"]


@pytest.mark.parametrize("form", BATCH)
@pytest.mark.parametrize("error", [ValueError("?"), Unknown("?"), Retry("busy", after=1)], ids=type)
def test_a_batch_that_may_have_had_an_effect_is_not_called_again(
    engine: Engine, form: str, error: Exception
) -> None:
    calls = Calls(raises("1", error=error))
    ends = engine.start(calls.form(form)).run(*[record(str(n), lane=n) for n in range(4)])
    assert len(set(ends)) == 1
    assert ends[0] is not DONE
    assert calls.sizes == [4]


def test_halving_ends_after_a_timeout(engine: Engine) -> None:
    def behave(_: str) -> None:
        time.sleep(SHORT * 0.7)  # a far side that is slow to say no
        raise Retry("down")

    calls = Calls(behave)
    records = [record(str(n), lane=n) for n in range(64)]
    ends = engine.start(calls.form("batch"), timeout=SHORT * 2).run(*records)
    assert set(ends) == {NOT_DONE}
    assert len(calls.sizes) < 64


@pytest.mark.parametrize("is_async", [False, True])
def test_a_batch_handler_may_answer_for_each_event(engine: Engine, is_async: bool) -> None:
    answers = [None, Retry("later", after=2), Reject("no"), ConnectionResetError("gone")]

    def sync_batch(events: list[Event[bytes]]) -> list[Any]:
        return answers

    async def async_batch(events: list[Event[bytes]]) -> list[Any]:
        async def answer(place: int) -> None:
            if isinstance(error := answers[place], Exception):
                raise error

        return await asyncio.gather(*(answer(n) for n in range(4)), return_exceptions=True)

    records = [record(str(n), lane=n) for n in range(4)]
    ends = engine.start(async_batch if is_async else sync_batch).run(*records)
    assert ends == [DONE, NOT_DONE, NOT_DONE, UNKNOWN]
    assert records[1].result is not None
    assert records[2].result is not None
    assert (records[1].result.retry_after, records[2].result.final) == (2, True)


def test_answers_that_do_not_match_the_events_are_no_answers(engine: Engine) -> None:
    def handle(events: list[Event[bytes]]) -> list[Any]:
        return [Retry("which?")]

    records = [record("1"), record("2", lane=1)]
    assert engine.start(handle).run(*records) == [UNKNOWN, UNKNOWN]
    assert records[0].result is not None
    assert "1 results for 2 events" in records[0].result.error


def test_a_sync_handler_that_returns_a_coroutine_has_done_nothing(engine: Engine) -> None:
    async def work() -> None: ...

    def handle(event: Event[bytes]) -> Any:
        return work()

    first = record("1")
    assert engine.start(handle).run(first) == [UNKNOWN]
    assert first.result is not None
    assert "async def" in first.result.error


@pytest.mark.parametrize("form", SINGLE)
def test_exit_in_a_handler_ends_no_consumer(engine: Engine, form: str) -> None:
    def behave(_: str) -> None:
        raise SystemExit(3)

    calls = Calls(behave)
    assert engine.start(calls.form(form)).run(record("1")) == [UNKNOWN]
    calls.behave = lambda _: None
    assert engine.run(record("2")) == [DONE]


class Order(BaseModel):
    id: int


def decode(payload: bytes) -> Any:
    known = {
        b"unframed": NotFramed("no magic"),
        b"broken": SchemaBroken("bytes"),
        b"away": SchemaUnavailable("id"),
    }
    if payload in known:
        raise known[payload]
    return json.loads(payload)


@pytest.mark.parametrize("batch", [False, True])
@pytest.mark.parametrize(
    ("payload", "reason", "wait"),
    [
        (b"unframed", DeadLetterReason.POISON, False),
        (b"broken", DeadLetterReason.SCHEMA, False),
        (b'{"id": "x"}', DeadLetterReason.SCHEMA, False),
        (None, DeadLetterReason.SCHEMA, False),
        (b"away", DeadLetterReason.FAILED, True),
    ],
)
def test_a_payload_that_cannot_be_read_never_reaches_the_handler(
    engine: Engine, batch: bool, payload: bytes | None, reason: DeadLetterReason, wait: bool
) -> None:
    values: list[Any] = []

    def one(event: Event[Order]) -> None:
        values.append(event.value)

    def many(events: list[Event[Order]]) -> None:
        values.extend(event.value for event in events)

    bad, good = record("1", payload=payload), record("2", payload=b'{"id": 2}', lane=1)
    ends = engine.start(many if batch else one, decode=decode).run(bad, record("behind", payload=b"{}"), good)
    assert ends == [NOT_DONE, None, DONE]
    assert values == [Order(id=2)]
    assert bad.result is not None
    assert (bad.result.reason, bad.result.wait, bad.result.final) == (reason, wait, not wait)
    assert bad.attempt == 0


def test_a_batch_leaves_what_cannot_be_read_until_those_before_it_have_ended(engine: Engine) -> None:
    """Else its dead letter would overtake the earlier events of its key."""
    seen: list[str] = []

    def handle(events: list[Event[Any]]) -> None:
        seen.extend(event.id for event in events)

    before, bad, behind = (record(str(n), payload=p) for n, p in enumerate((b"{}", b"broken", b"{}")))
    ends = engine.start(handle, decode=decode).run(before, bad, behind)
    assert seen == ["0"]
    assert ends == [DONE, None, None]


def test_what_a_handler_sees(engine: Engine) -> None:
    events: list[Event[bytes | None]] = []

    def handle(event: Event[bytes | None], ctx: Context) -> None:
        events.append(event)
        assert ctx.idempotency_key(event) == "g:a%2Fb%20%C3%BC"

    tombstone = record("a/b ü", payload=None)
    tombstone.attempt, tombstone.unknown = 2, True
    assert engine.start(handle).run(tombstone) == [DONE]
    (event,) = events
    assert (event.id, event.value, event.key, event.topic) == ("a/b ü", None, b"k", "source")
    assert (event.partition, event.offset, event.timestamp_ms) == (3, 7, 123)
    assert (event.attempt, event.unknown, event.headers) == (3, True, tombstone.headers)


@pytest.mark.parametrize("is_async", [False, True])
def test_children_are_acknowledged_before_done_with_ids_that_repeat(engine: Engine, is_async: bool) -> None:
    def handle(event: Event[bytes], ctx: Context) -> None:
        ctx.produce(event, "out", {"n": 1}, b"key")
        ctx.produce(event, "out", {"n": 2})

    async def handle_async(event: Event[bytes], ctx: Context) -> None:
        handle(event, ctx)

    engine.start(handle_async if is_async else handle)
    assert engine.run(record("p"), record("q")) == [DONE, DONE]
    assert engine.run(record("p")) == [DONE]
    ids = [child.id for child in engine.produced]
    assert len(set(ids[:4])) == 4
    assert ids[4:] == ids[:2]
    assert [(c.topic, c.value, c.key) for c in engine.produced[:2]] == [
        ("out", {"n": 1}, b"key"),
        ("out", {"n": 2}, None),
    ]


@pytest.mark.parametrize(("idempotent", "end"), [(False, UNKNOWN), (True, NOT_DONE)])
def test_children_that_were_not_acknowledged_leave_their_parent_undone(
    engine: Engine, idempotent: bool, end: Outcome
) -> None:
    def handle(event: Event[bytes], ctx: Context) -> None:
        ctx.produce(event, "out", b"")

    def refuse(_: Any) -> None:
        raise RuntimeError("no leader")

    first = record("p")
    assert engine.start(handle, produce=refuse, idempotent=idempotent).run(first) == [end]
    assert first.result is not None
    assert "no leader" in first.result.error


def test_children_of_events_that_failed_are_not_sent(engine: Engine) -> None:
    def handle(events: list[Event[bytes]], ctx: Context) -> list[Any]:
        for event in events:
            ctx.produce(event, "out", event.id)
        return [None, Reject("no")]

    assert engine.start(handle).run(record("good"), record("bad", lane=1)) == [DONE, NOT_DONE]
    assert [child.value for child in engine.produced] == ["good"]


class Span:
    def __init__(self) -> None:
        self.inside = False
        self.ends: list[tuple[str, str, str]] = []

    def __enter__(self) -> None:
        self.inside = True

    def __exit__(self, *_: object) -> None:
        self.inside = False

    def end(self, decision: str, gate: str, error: str = "") -> None:
        self.ends.append((decision, gate, error))


@pytest.mark.parametrize("form", SINGLE)
def test_a_sampled_event_runs_inside_its_span(engine: Engine, form: str) -> None:
    spans = {b"1": Span(), b"2": Span()}
    inside: list[bool] = []

    def behave(event_id: str) -> None:
        inside.extend(span.inside for key, span in spans.items() if key == event_id.encode())
        if event_id == "2":
            raise Reject("no")

    calls = Calls(behave)
    engine.start(calls.form(form), trace=lambda r: spans.get(r.event_id))
    engine.run(record("1"), record("2"), record("unsampled", lane=1))
    assert inside == [True, True]
    assert spans[b"1"].ends == [("done", "handler", "")]
    assert spans[b"2"].ends == [("not_done", "handler", "Reject: no")]


@pytest.mark.parametrize("form", FORMS)
def test_stop_lets_what_runs_end_and_starts_nothing_more(engine: Engine, form: str) -> None:
    running = threading.Event()

    def behave(_: str) -> None:
        running.set()
        eventually(lambda: engine.stopping, SECONDS, 0.005)

    engine.start(Calls(behave).form(form))
    unit = engine.submit(record("1"), record("2", lane=1))
    assert running.wait(SECONDS)
    engine.stop()
    assert outcomes(unit.records) == [DONE, DONE if form in BATCH else None]
    assert engine.reported == [unit]


def test_units_run_side_by_side(engine: Engine) -> None:
    together = threading.Barrier(8)
    engine.start(Calls(lambda _: together.wait(SECONDS)).form("sync"))
    units = [engine.submit(record(str(n), lane=n)) for n in range(8)]
    engine.wait(lambda: len(engine.reported) == 8)
    assert {end for unit in units for end in outcomes(unit.records)} == {DONE}


def raised_by(call: Callable[[], Any]) -> Exception:
    try:
        call()
    except Exception as error:  # noqa: BLE001
        return error
    raise AssertionError("nothing was raised")


def chained(
    error: Exception, cause: BaseException | None = None, context: BaseException | None = None
) -> Exception:
    error.__cause__, error.__context__ = cause, context
    return error


REFUSED = ConnectionRefusedError(111, "refused")


@pytest.mark.parametrize(
    ("error", "outcome", "cause"),
    [
        (Retry("x"), NOT_DONE, None),
        (Reject("x"), NOT_DONE, None),
        (Unknown("x"), UNKNOWN, UnknownCause.DOWNSTREAM),
        (ValueError("x"), UNKNOWN, UnknownCause.EXCEPTION),
        (REFUSED, NOT_DONE, None),
        (chained(ValueError("mine"), cause=REFUSED), NOT_DONE, None),
        (chained(ValueError("in an except block"), context=REFUSED), UNKNOWN, UnknownCause.EXCEPTION),
        (chained(TimeoutError("of the fallback"), context=REFUSED), UNKNOWN, UnknownCause.DOWNSTREAM),
        (ConnectionResetError("x"), UNKNOWN, UnknownCause.DOWNSTREAM),
        (chained(RuntimeError("x"), cause=TimeoutError()), UNKNOWN, UnknownCause.DOWNSTREAM),
        (requests.ReadTimeout("x"), UNKNOWN, UnknownCause.DOWNSTREAM),
        (requests.ConnectTimeout("x"), NOT_DONE, None),
    ],
)
def test_what_an_exception_says(error: Exception, outcome: Outcome, cause: UnknownCause | None) -> None:
    attempt: Attempt = of_handler(error, idempotent=False)
    assert (attempt.outcome, attempt.cause) == (outcome, cause)
    assert attempt.error.startswith(f"{type(error).__name__}: ")


def test_requests_refused_is_not_done(unused_port: int) -> None:
    error = raised_by(lambda: requests.post(f"http://127.0.0.1:{unused_port}/", timeout=5))
    assert isinstance(error, requests.ConnectionError)
    assert of_handler(error, idempotent=False).outcome is NOT_DONE


def test_requests_cut_off_is_unknown() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def hang_up() -> None:
            connection, _ = server.accept()
            connection.recv(10_000)
            connection.close()

        threading.Thread(target=hang_up, daemon=True).start()
        error = raised_by(lambda: requests.post(f"http://127.0.0.1:{server.getsockname()[1]}/", timeout=5))
    assert isinstance(error, requests.ConnectionError)
    assert of_handler(error, idempotent=True).outcome is UNKNOWN


@pytest.fixture
def unused_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def test_errors_are_of_bounded_length_and_idempotent_handlers_may_fail() -> None:
    attempt = of_handler(ValueError("x" * 5000), idempotent=True)
    assert attempt.outcome is NOT_DONE
    assert not attempt.final
    assert len(attempt.error) <= 1024
