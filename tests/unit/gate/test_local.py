"""The local gate: what a process alone can say about a batch."""

from __future__ import annotations

import secrets

from doublegate.contract.sizing import filter_size
from doublegate.gate.exact import ExactMemory
from doublegate.gate.filter import PartitionFilter
from doublegate.gate.local import LocalGate, Screened


def new_gate(*, conflicts: bool = True) -> LocalGate:
    return LocalGate("test", ExactMemory(1000), conflicts=conflicts)


def new_ids(many: int) -> list[bytes]:
    return [secrets.token_bytes(8) for _ in range(many)]


def parts(screened: Screened) -> tuple[list[int], ...]:
    return screened.fresh, screened.remembered, screened.inflight, screened.conflicts


def test_what_is_new_is_in_flight() -> None:
    gate, ids = new_gate(), new_ids(5)
    screened = gate.screen(ids, [b"x"] * 5)
    assert parts(screened) == ([0, 1, 2, 3, 4], [], [], [])
    assert gate.inflight == dict(zip(screened.keys, screened.digests, strict=True))
    assert parts(gate.screen(ids, [b"x"] * 5)) == ([], [], [0, 1, 2, 3, 4], [])
    gate.let_go(screened.keys)
    assert parts(gate.screen(ids, [b"x"] * 5)) == ([0, 1, 2, 3, 4], [], [], [])


def test_one_id_twice_in_a_batch() -> None:
    gate, (one, other) = new_gate(), new_ids(2)
    screened = gate.screen([one, one, other, one], [b"x", b"x", b"x", b"y"])
    assert parts(screened) == ([0, 2], [], [1], [3])
    assert gate.inflight[screened.keys[0]] == screened.digests[0]


def test_what_is_done_is_remembered_beside_what_is_new() -> None:
    gate, ids = new_gate(), new_ids(6)
    done = gate.screen(ids[:3], [b"x"] * 3)
    gate.done(done.keys, done.digests)
    assert not gate.inflight
    screened = gate.screen([ids[3], *ids[:3], ids[4]], [b"x", b"x", b"y", b"x", b"x"])
    assert parts(screened) == ([0, 4], [1, 3], [], [2])
    assert set(gate.inflight) == {screened.keys[0], screened.keys[4]}
    screened = gate.screen([ids[3], ids[0], ids[5], ids[4], ids[2]], [b"x", b"x", b"x", b"y", b"y"])
    assert parts(screened) == ([2], [1], [0], [4, 3])


def test_payloads_need_not_agree() -> None:
    gate, (one,) = new_gate(conflicts=False), new_ids(1)
    assert parts(gate.screen([one, one], [b"x", b"y"])) == ([0], [], [1], [])


def test_nothing_is_screened() -> None:
    assert parts(new_gate().screen([], [])) == ([], [], [], [])


def test_the_filter_suspects_rows() -> None:
    gate, ids = new_gate(), new_ids(6)
    seen = PartitionFilter("test/0", filter_size(1000, 60.0, 1e-6, partitions=1))
    first = gate.screen(ids[:3], [b"x"] * 3, seen)
    assert first.suspected == []
    gate.let_go([first.keys[0], first.keys[2]])
    screened = gate.screen([ids[3], ids[0], ids[1], ids[4], ids[2]], [b"x"] * 5, seen)
    assert parts(screened) == ([0, 1, 3, 4], [], [2], [])
    assert screened.suspected == [1, 4]
