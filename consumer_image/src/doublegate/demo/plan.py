"""What the demo sends and what has to come of it: a pure function of a seed, the shares and the flights."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import dataclass, field, fields
from enum import StrEnum, auto
from typing import TYPE_CHECKING

from doublegate.demo.lots import fails

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["Body", "Copy", "Identity", "Plan", "Send", "Shares", "flights_needed", "make_plan"]

NEAR = 200
"""A near duplicate follows within this many events: exact memory and the events in flight see it."""


class Copy(StrEnum):
    """Which sending of an event it is."""

    FIRST = auto()
    NEAR = auto()
    FAR = auto()
    CONFLICT = auto()
    """The id of an event that was sent before, with another payload."""


class Body(StrEnum):
    """What the payload is."""

    GOOD = auto()
    POISON = auto()
    """Bytes without the registry's frame."""
    BROKEN = auto()
    """The right frame around a record that ends too early."""


class Identity(StrEnum):
    """What the `correlation_id` header is; all but the first are unusable."""

    USABLE = auto()
    MISSING = auto()
    EMPTY = auto()
    TOO_LONG = auto()
    NOT_UTF8 = auto()


UNUSABLE = tuple(identity for identity in Identity if identity is not Identity.USABLE)


@dataclass(frozen=True, slots=True)
class Shares:
    """Parts of all events sent, except `failing`, `calls` (of the unique ids) and `sampled`.

    Attributes:
        near: sent a second time soon after.
        far: sent a second time a quarter of the run later or more.
        conflict: sent again with another payload.
        poison: payload without a frame.
        broken: payload that its schema can't read.
        nameless: no usable event id.
        untraceable: with a `traceparent` that is none.
        failing: ids for which the faulty handler fails.
        calls: ids that make an HTTP call.
        sampled: traces recorded.
    """

    near: float = 0.07
    far: float = 0.03
    conflict: float = 0.0005
    poison: float = 0.001
    broken: float = 0.001
    nameless: float = 0.0002
    untraceable: float = 0.0002
    failing: float = 0.002
    calls: float = 0.04
    sampled: float = 0.01

    def __post_init__(self) -> None:
        for part in fields(self):
            if not 0 <= (share := getattr(self, part.name)) <= 0.5:
                raise ValueError(f"{part.name} is a share between 0 and 0.5, not {share}")


@dataclass(frozen=True, slots=True)
class Send:
    """One record to produce; `flight` is an index into the plan's flights."""

    flight: int
    copy: Copy = Copy.FIRST
    body: Body = Body.GOOD
    identity: Identity = Identity.USABLE
    traceable: bool = True


@dataclass(frozen=True)
class Plan:
    """All sends in order, and what each unique id has to end as.

    Attributes:
        sends: what is produced, in this order.
        done: ids whose effect is performed at once.
        failing: ids that become `failed` dead letters and are performed when the handler is repaired.
        poison: ids that become `poison` dead letters.
        broken: ids that become `schema` dead letters.
        conflicts: ids, each of which has one `conflict` dead letter beside its own outcome.
        nameless: records without a usable id.
    """

    sends: tuple[Send, ...]
    done: frozenset[str]
    failing: frozenset[str]
    poison: frozenset[str]
    broken: frozenset[str]
    conflicts: frozenset[str]
    nameless: int
    copies: Counter[Copy] = field(default_factory=Counter)

    @property
    def unique_ids(self) -> frozenset[str]:
        """Every usable id that is sent."""
        return self.done | self.failing | self.poison | self.broken


def flights_needed(events: int, shares: Shares) -> int:
    """How many flights make so many events once the copies and the nameless are counted in."""
    extra = sum(
        round(events * share) for share in (shares.near, shares.far, shares.conflict, shares.nameless)
    )
    return events - extra


def make_plan(ids: Sequence[str], events: int, shares: Shares, seed: int) -> Plan:
    """Lay out `events` sends of the flights with these ids (`flights_needed` of them)."""
    rng = random.Random(seed)  # noqa: S311 - the same plan for the same seed, nothing secret
    count = len(ids)
    chosen = rng.sample(range(count), _part(events, shares.poison) + _part(events, shares.broken))
    poison, broken = (
        frozenset(chosen[: _part(events, shares.poison)]),
        frozenset(chosen[_part(events, shares.poison) :]),
    )
    untraceable = frozenset(rng.sample(range(count), _part(events, shares.untraceable)))

    def original(index: int) -> Send:
        body = Body.POISON if index in poison else Body.BROKEN if index in broken else Body.GOOD
        return Send(index, body=body, traceable=index not in untraceable)

    placed = [(float(index), original(index)) for index in range(count)]
    near = rng.sample(range(count), _part(events, shares.near))
    placed += [(_after(rng, index, 1, NEAR), _copy(original(index), Copy.NEAR)) for index in near]
    early = range(max(1, count * 3 // 4))
    far = rng.sample(early, min(len(early), _part(events, shares.far)))
    placed += [
        (_after(rng, index, count // 4, count - index), _copy(original(index), Copy.FAR)) for index in far
    ]
    sound = [i for i in early if i not in poison and i not in broken and not fails(ids[i], shares.failing)]
    conflicts = rng.sample(sound, min(len(sound), _part(events, shares.conflict)))
    placed += [(_after(rng, index, 1, count // 4), Send(index, Copy.CONFLICT)) for index in conflicts]
    for number in range(_part(events, shares.nameless)):
        index = rng.randrange(count)
        placed.append((index + 0.25, Send(index, identity=UNUSABLE[number % len(UNUSABLE)])))
    placed.sort(key=lambda pair: pair[0])  # stable: the same order for the same seed
    sends = tuple(send for _, send in placed)

    readable = [ids[i] for i in range(count) if i not in poison and i not in broken]
    failing = frozenset(event_id for event_id in readable if fails(event_id, shares.failing))
    return Plan(
        sends=sends,
        done=frozenset(readable) - failing,
        failing=failing,
        poison=frozenset(ids[i] for i in poison),
        broken=frozenset(ids[i] for i in broken),
        conflicts=frozenset(ids[i] for i in conflicts),
        nameless=sum(send.identity is not Identity.USABLE for send in sends),
        copies=Counter(send.copy for send in sends if send.identity is Identity.USABLE),
    )


def _part(events: int, share: float) -> int:
    return round(events * share)


def _after(rng: random.Random, index: int, least: int, most: int) -> float:
    return index + rng.randint(least, max(least, most)) + 0.5


def _copy(send: Send, copy: Copy) -> Send:
    return Send(send.flight, copy, send.body)
