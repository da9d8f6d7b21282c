"""A state machine that drives a real ledger and the model side by side, and holds both to the promises.

Owners register, die, take partitions from each other, claim, finish, fail, release and come back late;
every answer and every entry must be the model's, and what must never happen is checked without the model.
"""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from doublegate.contract.states import EntryState
from doublegate.gate.ledger_types import (
    Assignment,
    ClaimOutcome,
    Claims,
    Completions,
    Exchange,
    Failures,
    LedgerSettings,
    Releases,
)
from doublegate.gate.memory_ledger import MemoryLedger

if TYPE_CHECKING:
    from doublegate.gate.ledger_protocol import LedgerApi

OWNERS, KEYS, OFFSETS = 3, 4, 3
DIGESTS = (b"payload1", b"payload2", bytes(8))
SETTINGS = LedgerSettings(session=3600, crashes=1)
PARTITIONS = ((bytes(range(16)), 0), (bytes(range(16)), 1), (bytes(range(16, 32)), 0))

owners = st.integers(0, OWNERS - 1)
key_numbers = st.integers(0, KEYS - 1)
partition_numbers = st.integers(0, len(PARTITIONS) - 1)
digests = st.sampled_from((*DIGESTS[:1] * 4, *DIGESTS))
offsets = st.integers(0, OFFSETS - 1)
flags = st.booleans()
claim_rows = st.lists(
    st.tuples(key_numbers, digests, partition_numbers, offsets, flags, st.sampled_from([False] * 4 + [True])),
    max_size=5,
)
parked_rows = st.lists(st.tuples(st.integers(0, 2), key_numbers), min_size=1, max_size=3)
completion_rows = st.lists(st.tuples(key_numbers, digests), max_size=2)
failure_rows = st.lists(
    st.tuples(key_numbers, partition_numbers, st.integers(1, 300), st.booleans()), max_size=2
)
release_rows = st.lists(st.tuples(key_numbers, partition_numbers, st.booleans()), max_size=2)
marks = st.lists(st.tuples(partition_numbers, st.integers(0, 9)), max_size=2)


def columns(rows: list[tuple], width: int) -> list[list]:
    return [list(column) for column in zip(*rows, strict=True)] if rows else [[] for _ in range(width)]


class LedgerMachine(RuleBasedStateMachine):
    """A backend's test subclasses it with `connect`, `end_session` and `lose_data`."""

    def __init__(self) -> None:
        super().__init__()
        self.real = self.connect()
        self.model = MemoryLedger(SETTINGS)
        self.keys = [secrets.token_bytes(16) for _ in range(KEYS)]
        self.lines = [secrets.token_bytes(16) for _ in range(3)]
        self.owners = [secrets.token_bytes(8) for _ in range(OWNERS)]
        self.epochs = [[0] * len(PARTITIONS) for _ in range(OWNERS)]
        self.working: dict[bytes, int] = {}
        self.dead: set[int] = set()
        self.done: set[bytes] = set()
        for number, owner in enumerate(self.owners):
            self.real.register(owner)
            self.model.register(owner)
            self.take(number, [0, 1, 2])

    def connect(self) -> LedgerApi:
        raise NotImplementedError

    def end_session(self, owner: bytes) -> None:
        raise NotImplementedError

    def lose_data(self) -> None:
        raise NotImplementedError

    def assignments(self, number: int) -> list[Assignment]:
        return [
            Assignment(*partition, epoch)
            for partition, epoch in zip(PARTITIONS, self.epochs[number], strict=True)
        ]

    @rule(number=owners, wanted=st.lists(partition_numbers, min_size=1, unique=True))
    def take(self, number: int, wanted: list[int]) -> None:
        taken = self.real.take_epochs([PARTITIONS[index] for index in wanted])
        for index, epoch in zip(wanted, taken, strict=True):
            assert epoch > self.model.epochs.get(PARTITIONS[index], 0)
            self.model.epochs[PARTITIONS[index]] = epoch
            self.epochs[number][index] = epoch

    @rule(number=owners)
    def register(self, number: int) -> None:
        self.real.register(self.owners[number])
        self.model.register(self.owners[number])
        self.dead.discard(number)

    @rule(number=owners)
    def expire(self, number: int) -> None:
        if self.model.sessions.get(self.owners[number]):
            self.end_session(self.owners[number])
            self.model.sessions[self.owners[number]] = 0.0
        self.dead.add(number)

    @rule(number=owners)
    def retire(self, number: int) -> None:
        self.real.retire(self.owners[number])
        self.model.retire(self.owners[number])
        self.dead.add(number)

    @rule(number=owners)
    def heartbeat(self, number: int) -> None:
        assert self.real.renew(self.owners[number]) is self.model.renew(self.owners[number])

    @rule(
        number=owners,
        claims=claim_rows,
        completions=completion_rows,
        granted=st.booleans(),
        failures=failure_rows,
        releases=release_rows,
        watermarks=marks,
        grants=marks,
    )
    def exchange(
        self,
        number: int,
        claims: list[tuple],
        completions: list[tuple],
        granted: bool,
        failures: list[tuple],
        releases: list[tuple],
        watermarks: list[tuple[int, int]],
        grants: list[tuple[int, int]],
    ) -> None:
        done_keys, done_digests = columns(completions, 2)
        failed_keys, failed_partitions, attempts, failed_unknown = columns(failures, 4)
        released_keys, released_partitions, released_unknown = columns(releases, 3)
        claimed_keys, claimed_digests, partitions, at, replays, unknown = columns(claims, 6)
        exchange = Exchange(
            self.owners[number],
            self.assignments(number),
            Completions(self.named(done_keys), done_digests, granted),
            Failures(self.named(failed_keys), failed_partitions, attempts, failed_unknown),
            Releases(self.named(released_keys), released_partitions, released_unknown),
            Claims(self.named(claimed_keys), claimed_digests, partitions, at, replays, unknown),
            watermarks,
            grants,
            self.lines,
        )
        result = self.real.exchange(exchange)
        assert result == self.model.exchange(exchange)
        self.follow(number, exchange, result)

    @rule(rows=parked_rows, leaves=st.booleans())
    def park(self, rows: list[tuple[int, int]], leaves: bool) -> None:
        named = [(self.lines[line], self.keys[event]) for line, event in rows]
        for ledger in (self.real, self.model):
            (ledger.unpark if leaves else ledger.park)(named)

    @rule(number=owners)
    def lose_and_reassert(self, number: int) -> None:
        """The data is gone; one owner has put its own back, the others have not noticed yet."""
        mine = [key for key, holder in self.working.items() if holder == number]
        self.lose_data()
        self.model.forget()
        rows = Claims(mine, [DIGESTS[0]] * len(mine), [0] * len(mine), [0] * len(mine))
        done = Completions(sorted(self.done), [DIGESTS[0]] * len(self.done))
        arguments = (self.owners[number], self.assignments(number), rows, done, [True] * len(mine))
        assert self.real.reassert(*arguments) == self.model.reassert(*arguments)
        self.working = dict.fromkeys(mine, number)
        self.dead = set(range(OWNERS)) - {number}

    def named(self, numbers: list[int]) -> list[bytes]:
        return [self.keys[number] for number in numbers]

    def follow(self, number: int, exchange: Exchange, result) -> None:
        """Who works on what, by the answers alone."""
        for key in exchange.completions.keys:
            self.done.add(key)
            self.working.pop(key, None)
        for rows, refused in ((exchange.failures, result.failures), (exchange.releases, result.releases)):
            for row, key in enumerate(rows.keys):
                if row not in refused:
                    assert self.working.get(key) == number, "only who works on it may end it"
                    del self.working[key]
        for key, value in zip(exchange.claims.keys, result.claims, strict=True):
            if ClaimOutcome(value).held:
                assert key not in self.done, "a claim never undoes DONE"
                holder = self.working.get(key, number)
                assert holder == number or holder in self.dead, "two live claims on one event"
                self.working[key] = number

    @invariant()
    def entries_are_the_models(self) -> None:
        for key in self.keys:
            entry = self.real.inspect(key)
            assert entry == self.model.inspect(key)
            if key in self.done:
                assert entry is not None
                assert entry.state is EntryState.DONE
            if entry is not None and entry.state is EntryState.CLAIMED and entry.owner is not None:
                assert self.owners[self.working[key]] == entry.owner

    @invariant()
    def marks_are_the_models(self) -> None:
        assert self.real.read_watermarks(PARTITIONS) == self.model.read_watermarks(PARTITIONS)
        assert self.real.read_grants(PARTITIONS) == self.model.read_grants(PARTITIONS)
