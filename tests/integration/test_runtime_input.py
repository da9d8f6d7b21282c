"""Bad input and every outcome of a handler, through a whole consumer process on real servers."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections import Counter, defaultdict
from typing import TYPE_CHECKING

import pytest

from doublegate.contract.headers import DLQ_HEADERS
from doublegate.runtime.event import Event
from doublegate.runtime.outcome import Reject, Retry
from doublegate.schemas import Encoder, Registry
from tests.consumers import Group, header
from tests.helpers import eventually

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.integration.conftest import TopicFactory

SPAN = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def recorder(group: Group) -> Callable[[Event[bytes]], None]:
    def handle(event: Event[bytes]) -> None:
        group.effects.add(event.id)

    return handle


def test_every_event_once_and_counts_exact(group: Group) -> None:
    ids = group.send_many(400)
    member = group.start(recorder(group))
    group.wait_committed()
    assert sorted(group.effects.ids) == sorted(ids)
    assert member.counts == {("done", "handler"): 400}
    eventually(lambda: member.status()["lag"] == 0 and member.status()["held"] == 0)
    assert member.status()["unknownOutcomes"] == {}


def test_near_and_far_duplicates_have_one_effect(group: Group) -> None:
    for number in range(50):
        group.send(f"e-{number}", key=b"k", partition=0)
        group.send(f"e-{number}", key=b"k", partition=0)  # near
    group.flush()
    group.start(recorder(group))
    group.wait_committed()
    for number in range(50):
        group.send(f"e-{number}", partition=1)  # far, and in another partition
    group.flush()
    group.wait_committed()
    assert group.effects.more_than_once() == {}
    assert len(group.effects) == 50
    counts = group.counts()
    assert counts["done", "handler"] == 50
    assert sum(n for (decision, _), n in counts.items() if decision == "duplicate") == 100
    assert group.letters() == []


BAD_IDS: dict[str, tuple[list[tuple[str, bytes | None]], str]] = {
    "missing": ([("other", b"x")], "is missing"),
    "empty": ([("correlation_id", b"")], "is empty"),
    "null": ([("correlation_id", None)], "is empty"),
    "too long": ([("correlation_id", b"x" * 256)], "is longer than 255"),
    "not UTF-8": ([("correlation_id", b"\xff\xfe")], "is not UTF-8"),
    "ambiguous": ([("correlation_id", b"a"), ("correlation_id", b"b")], "more than once"),
}


def test_unusable_ids_are_poison_and_keep_their_headers(group: Group) -> None:
    for headers, _ in BAD_IDS.values():
        group.send(
            None, b"payload", key=b"k", headers=[*headers, ("traceparent", SPAN.encode())], partition=0
        )
    group.send("good", key=b"k", partition=0)
    group.flush()
    group.start(recorder(group))
    group.wait_committed()
    assert group.effects.ids == ["good"]
    letters = {int(header(m, "dg-dlq-offset")): m for m in group.letters()}
    assert sorted(letters) == list(range(len(BAD_IDS)))
    for offset, (headers, problem) in enumerate(BAD_IDS.values()):
        letter = letters[offset]
        assert header(letter, "dg-dlq-reason") == "poison"
        assert problem in header(letter, "dg-dlq-error")
        assert (letter.key(), letter.value()) == (b"k", b"payload")
        kept = [h for h in letter.headers() or [] if h[0] not in DLQ_HEADERS]
        assert kept == [*headers, ("traceparent", SPAN.encode())]
    assert group.counts() == {("done", "handler"): 1, ("dead_letter", "payload"): len(BAD_IDS)}


@pytest.mark.parametrize("mode", ["Enforce", "Observe"])
def test_records_without_an_id_are_not_each_other(group: Group, mode: str) -> None:
    for _ in range(3):
        group.send(None, b"same", key=b"k", partition=0)
    group.flush()
    group.start(recorder(group), mode=mode)
    group.wait_committed()
    if mode == "Enforce":
        assert [reason for _, reason in group.reasons()] == ["poison"] * 3
    else:  # a live group that adopts it loses nothing
        assert len(group.effects) == 3
        assert group.letters() == []


@pytest.mark.parametrize(
    "traceparent", [None, b"", b"nonsense", b"\xff", b"00-" + b"0" * 32 + b"-" + b"0" * 16 + b"-01"]
)
def test_missing_or_broken_traceparent_is_processed(group: Group, traceparent: bytes | None) -> None:
    group.send("a", headers=[] if traceparent is None else [("traceparent", traceparent)])
    group.send("b", headers=[("traceparent", None)])
    group.flush()
    group.start(recorder(group))
    group.wait_committed()
    assert sorted(group.effects.ids) == ["a", "b"]


def test_payloads_that_do_not_decode(group: Group) -> None:
    schema = json.dumps({"type": "record", "name": "R", "fields": [{"name": "n", "type": "int"}]})
    registry = Registry(str(group.endpoints.registry_url))
    encode = Encoder(registry, f"{group.topic}-value", schema)
    good = encode({"n": 1})
    group.send("good", good)
    group.send("cut", good[:5])
    group.send("not framed", b"plain")
    group.send("null", None)
    group.flush()
    seen = []

    def handle(event: Event[dict]) -> None:  # type: ignore[type-arg]
        seen.append((event.id, event.value))

    group.start(handle, schema={"registryUrl": str(group.endpoints.registry_url)})
    group.wait_committed()
    registry.close()
    assert seen == [("good", {"n": 1})]
    assert sorted(group.reasons()) == [("cut", "schema"), ("not framed", "poison"), ("null", "schema")]


def test_a_null_payload_is_an_event_for_who_takes_it(group: Group) -> None:
    group.send("tombstone", None)
    group.send("empty", b"")
    group.send("tombstone", b"")  # not the same payload
    group.flush()
    seen = []

    def handle(event: Event[bytes | None]) -> None:
        seen.append((event.id, event.value))

    group.start(handle)
    group.wait_committed()
    assert ("empty", b"") in seen
    assert len([s for s in seen if s[0] == "tombstone"]) == 1
    assert group.reasons() == [("tombstone", "conflict")]


def test_another_payload_under_the_same_id_is_a_conflict(group: Group) -> None:
    release = threading.Event()

    def handle(event: Event[bytes]) -> None:
        release.wait(4)
        group.effects.add(event.id)

    group.send("flying", b"one", partition=0)
    group.flush()
    member = group.start(handle)
    eventually(lambda: member.status().get("inFlight") == 1)
    group.send("flying", b"two", partition=0)
    group.flush()
    eventually(lambda: len(group.letters()) == 1)  # in flight
    release.set()
    group.wait_committed()
    group.send("flying", b"three", partition=1)  # in memory
    group.flush()
    group.wait_committed()
    group.stop()
    group.send("flying", b"four", partition=2)  # in the ledger, after a restart
    group.flush()
    group.start(handle)
    group.wait_committed()
    assert group.effects.ids == ["flying"]
    assert [m.value() for m in sorted(group.letters(), key=lambda m: m.value())] == [
        b"four",
        b"three",
        b"two",
    ]
    assert {header(m, "dg-dlq-reason") for m in group.letters()} == {"conflict"}


def test_conflicts_are_duplicates_where_payloads_are_not_compared(group: Group) -> None:
    group.send("a", b"one")
    group.send("a", b"two")
    group.flush()
    group.start(recorder(group), identity={"conflictOn": "None"})
    group.wait_committed()
    assert group.effects.ids == ["a"]
    assert group.letters() == []


def test_an_event_at_the_topics_limit_fits_the_dlq(group: Group, topic_factory: TopicFactory) -> None:
    group.topic = topic_factory(config={"max.message.bytes": "200000"})
    group.base["kafka"]["topic"] = group.topic
    payload = bytes(199_000)  # librdkafka counts the uncompressed batch, headers and all
    group.send("large", payload, headers=[("note", b"x" * 500)])
    group.flush()

    def handle(_: Event[bytes]) -> None:
        raise Reject("x" * 5000)

    group.start(handle)
    group.wait_committed()
    [letter] = group.letters()
    assert letter.value() == payload
    assert len(header(letter, "dg-dlq-error")) <= 1024


def test_retry_then_success(group: Group) -> None:
    attempts: Counter[str] = Counter()

    def handle(event: Event[bytes]) -> None:
        attempts[event.id] += 1
        assert event.attempt == attempts[event.id]
        assert not event.unknown
        if event.attempt < 3:
            raise Retry("not yet")
        group.effects.add(event.id)

    ids = group.send_many(20)
    group.start(handle)
    group.wait_committed()
    assert sorted(group.effects.ids) == sorted(ids)
    assert set(attempts.values()) == {3}
    assert group.counts() == {("done", "handler"): 20}


def test_reject_and_exhausted_retries_are_failed(group: Group) -> None:
    attempts: Counter[str] = Counter()

    def handle(event: Event[bytes]) -> None:
        attempts[event.id] += 1
        raise Reject("never") if event.id == "rejected" else Retry("busy")

    group.send("rejected")
    group.send("exhausted")
    group.flush()
    group.start(handle)
    group.wait_committed()
    assert attempts == {"rejected": 1, "exhausted": 3}
    letters = {header(m, "correlation_id"): m for m in group.letters()}
    assert {i: header(m, "dg-dlq-reason") for i, m in letters.items()} == {
        "rejected": "failed",
        "exhausted": "failed",
    }
    assert header(letters["exhausted"], "dg-dlq-attempt") == "3"
    assert "busy" in header(letters["exhausted"], "dg-dlq-error")
    group.send("rejected")  # a duplicate of a dead letter
    group.flush()
    group.wait_committed()
    assert attempts["rejected"] == 1
    assert group.counts()["duplicate", "ledger"] == 1


@pytest.mark.parametrize("idempotent", [False, True])
def test_an_unhandled_exception(group: Group, idempotent: bool) -> None:
    def handle(event: Event[bytes]) -> None:
        assert event.unknown == (event.attempt > 1 and not idempotent)
        raise KeyError("surprise")

    group.send("a")
    group.flush()
    member = group.start(handle, handler={"idempotent": idempotent})
    group.wait_committed()
    assert group.reasons() == [("a", "failed" if idempotent else "unknown_outcome")]
    assert member.status()["unknownOutcomes"] == ({} if idempotent else {"exception": 3})


def test_an_unknown_outcome_is_left_to_a_person_where_asked(group: Group) -> None:
    def handle(event: Event[bytes]) -> None:
        group.effects.add(event.id)
        raise KeyError("surprise")

    group.send("a")
    group.flush()
    group.start(handle, ledger={"onUnknown": "DeadLetter"})
    group.wait_committed()
    assert group.effects.ids == ["a"]
    assert group.reasons() == [("a", "unknown_outcome")]


@pytest.mark.parametrize("kind", ["sync", "async"])
def test_a_handler_past_its_timeout_is_unknown(group: Group, kind: str) -> None:
    release = threading.Event()

    def sync(event: Event[bytes]) -> None:
        if event.attempt == 1:
            release.wait(10)
        group.effects.add(event.id)

    async def on_loop(event: Event[bytes]) -> None:
        if event.attempt == 1:
            await asyncio.sleep(10)
        group.effects.add(event.id)

    group.send("a")
    group.flush()
    member = group.start(sync if kind == "sync" else on_loop, handler={"timeout": "300ms"})
    group.wait_committed()
    assert group.effects.ids == ["a"]
    assert member.status()["unknownOutcomes"] == {"timeout": 1}
    process = member.process
    assert process is not None
    if kind == "async":
        assert process.must_end() is None
    else:  # a thread can't be cancelled: the process must be started anew
        eventually(process.must_end)
        release.set()
        eventually(lambda: member.metric("doublegate_late_completions_total") + len(group.effects) > 1)


def test_order_by_key_is_kept_under_retries(group: Group) -> None:
    seen: dict[bytes | None, list[int]] = defaultdict(list)

    def handle(event: Event[bytes]) -> None:
        number = int(event.id.partition("-")[2])
        if event.attempt == 1 and number % 7 == 0:
            time.sleep(0.002)
            raise Retry("busy")
        seen[event.key].append(number)

    group.send_many(300, keys=12)
    group.start(handle, retries={"initialBackoff": "5ms", "maxBackoff": "20ms"})
    group.wait_committed()
    assert sum(map(len, seen.values())) == 300
    assert all(numbers == sorted(numbers) for numbers in seen.values())
    assert len(seen) == 12
