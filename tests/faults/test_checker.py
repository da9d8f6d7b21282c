"""The checker on histories that were made up: what must hold, and each way in which it may not."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tests.faults.checker import check
from tests.faults.history import Call, History, Letter, Sent
from tests.faults.plan import Config, Effect, Schedule

HEADERS = (("correlation_id", b"x"), ("shop", b"\x00"))


def sent(name: str, offset: int, *, key: str = "k", number: int | None = None) -> Sent:
    return Sent(name, key, offset if number is None else number, 0, offset, HEADERS)


def call(name: str, offset: int, at: float, **fields: Any) -> Call:
    usual = Call(name, at, at, "a", 1, 1, "k", 0, offset, 1, False, False, offset)
    return replace(usual, **fields)


def letter(name: str, reason: str = "failed") -> Letter:
    return Letter(name, reason, 0, 0, (*HEADERS, ("dg-dlq-reason", reason.encode())))


def history(effect: Effect = Effect.PLAIN, **fields: Any) -> History:
    made = History(Schedule(1, Config(effect=effect), (), ()))
    made.sent = [sent("a-n", 0), sent("b-n", 1), sent("c-n", 2)]
    made.calls = [call("a-n", 0, 1.0), call("b-n", 1, 2.0), call("c-n", 2, 3.0)]
    for name, value in fields.items():
        setattr(made, name, value)
    return made


def rules(made: History) -> set[str]:
    return {violation.rule for violation in check(made).violations}


def test_a_good_history_holds() -> None:
    verdict = check(history())
    assert verdict.ok
    assert (verdict.events, verdict.unique, verdict.effects, verdict.losses) == (3, 3, {1: 3}, 0)


def test_what_is_nowhere_is_lost() -> None:
    made = history()
    del made.calls[1]
    assert rules(made) == {"nothing is lost"}
    assert check(made).losses == 1
    made.letters = [letter("b-n", "schema")]
    assert rules(made) == set()


def test_what_had_failed_must_be_performed_by_the_replay() -> None:
    made = history(letters=[letter("b-n")])
    del made.calls[1]
    assert rules(made) == {"a replay performs what had failed"}


def test_records_that_no_commit_passes() -> None:
    assert rules(history(unread={"t": 2})) == {"everything is passed"}


@pytest.mark.parametrize("effect", [Effect.INBOX, Effect.KEYED])
def test_a_second_effect_is_none_where_something_decides(effect: Effect) -> None:
    made = history(effect, named={"a-n": 5})
    made.calls.append(call("a-n", 0, 4.0))
    assert rules(made) == {f"once, with {effect}"}


def test_a_plain_second_effect_must_be_named_as_often_as_it_happens() -> None:
    made = history()
    made.calls.append(call("a-n", 0, 4.0))
    assert rules(made) == {"a second effect is named"}
    made.named = {"a-n": 1}
    assert rules(made) == set()
    made.calls.append(call("a-n", 0, 5.0))
    assert rules(made) == {"a second effect is named"}
    made.suspects = {"a-n": 1}
    assert rules(made) == set()


def test_a_start_under_a_stale_epoch() -> None:
    made = history(named={"a-n": 1})
    made.calls.append(call("a-n", 0, 4.0, epoch=2))
    assert rules(made) == set()
    made = history(named={"a-n": 1})
    made.calls[0] = call("a-n", 0, 1.0, epoch=2)
    made.calls.append(call("a-n", 0, 4.0, epoch=1))
    assert rules(made) == {"no start under a stale epoch"}


def test_an_order_that_is_not_kept() -> None:
    made = history()
    made.calls[0] = call("a-n", 0, 2.5)
    assert rules(made) == {"a key's order is kept"}
    made.letters = [letter("a-n")]
    assert rules(made) == set()


def test_a_second_replay_and_a_full_one_perform_nothing() -> None:
    assert rules(history(after_replay=(3, 4))) == {"a second replay performs nothing"}
    assert rules(history(after_reread=(3, 4))) == {"reading all again performs nothing"}


def test_a_letter_with_other_headers() -> None:
    changed = Letter("a-n", "conflict", 0, 0, (("correlation_id", b"x"), ("dg-dlq-reason", b"conflict")))
    assert rules(history(letters=[changed])) == {"a dead letter keeps its headers"}


def test_what_nobody_sent_is_not_performed() -> None:
    made = history()
    made.calls.append(call("aborted-1-n", 9, 4.0))
    assert rules(made) == {"only what was sent is performed"}


def test_another_payload_under_the_same_id() -> None:
    made = history()
    made.sent.append(sent("a-n", 3, number=1_000_000))
    assert rules(made) == {"another payload is a conflict"}
    made.letters = [letter("a-n", "conflict")]
    assert rules(made) == set()
    made.calls[0] = call("a-n", 0, 1.0, number=1_000_000)
    assert rules(made) == {"another payload is a conflict"}


def test_a_parked_keys_replay_out_of_order() -> None:
    made = history()
    made.schedule = Schedule(1, Config(on_failure="ParkKey"), (), ())
    made.letters = [letter("a-n"), letter("b-n", "parked"), letter("c-n", "parked")]
    made.calls = [
        call("b-n", 1, 1.0, replay=True),
        call("a-n", 0, 2.0, replay=True),
        call("c-n", 2, 3.0, replay=True),
    ]
    assert rules(made) == {"a replay keeps a parked key's order"}


def test_recovery_is_from_the_death_to_the_next_effect_in_the_partition() -> None:
    made = history(killed=[(1.5, 1)])
    made.calls[1] = call("b-n", 1, 7.0, pid=2)
    made.calls[2] = call("c-n", 2, 8.0, pid=2)
    assert check(made).recovery == pytest.approx(5.5)


def test_an_engine_that_stopped() -> None:
    assert rules(history(stops=["TypeError"])) == {"no engine stops"}


def test_late_effects_are_counted() -> None:
    made = history(named={"b-n": 1})
    made.calls[1] = call("b-n", 1, 2.0, epoch=2)
    made.calls[2] = call("c-n", 2, 3.0, epoch=1)
    assert check(made).late == 1
