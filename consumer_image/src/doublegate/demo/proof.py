"""The proof: what the far side, the database and the dead-letter topic hold, against what the plan asks for.

Pure: the records are read elsewhere, so that the proof can be tested with false ones.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from doublegate.demo.lots import Call, call_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from doublegate.demo.plan import Plan

__all__ = ["EXAMPLES", "Invariant", "Letter", "Records", "prove", "prove_replayed"]

EXAMPLES = 5

FAILED, POISON, SCHEMA, CONFLICT, UNKNOWN = "failed", "poison", "schema", "conflict", "unknown_outcome"


@dataclass(frozen=True, slots=True)
class Letter:
    """One dead letter as it lies in Kafka.

    Attributes:
        reason: why.
        event_id: its usable id, or None.
        origin: topic, partition and offset of the record that it stands for.
        trace_id: of its `traceparent`, or None.
        sampled: whether the producer decided to record the trace.
    """

    reason: str
    event_id: str | None
    origin: tuple[str, int, int]
    trace_id: str | None = None
    sampled: bool = False


@dataclass(frozen=True)
class Records:
    """What lies outside of the consumers after a run.

    Attributes:
        rows: how many rows of the primary database each id has.
        charges: how often the far side performed each id's charge.
        mails: how often it performed each id's mail.
        letters: all dead letters.
        misordered: ids of an aircraft that were performed before an earlier flight of it.
    """

    rows: Mapping[str, int]
    charges: Mapping[str, int]
    mails: Mapping[str, int]
    letters: tuple[Letter, ...]
    misordered: tuple[str, ...] = ()

    def ids_with(self, reason: str) -> frozenset[str]:
        """Ids that have a letter of that reason."""
        return frozenset(
            letter.event_id for letter in self.letters if letter.reason == reason and letter.event_id
        )

    def letters_by_reason(self) -> dict[str, int]:
        """Letters by reason; the same record's second letter of one reason is not counted again."""
        return dict(Counter(reason for reason, _ in {(one.reason, one.origin) for one in self.letters}))


@dataclass(frozen=True)
class Invariant:
    """One statement and whether it holds.

    Attributes:
        name: short, for machines.
        holds: the verdict.
        says: the statement with its figures, for people.
        examples: some of the ids that break it.
        count: how many do.
    """

    name: str
    holds: bool
    says: str
    examples: tuple[str, ...] = ()
    count: int = 0


def prove(plan: Plan, records: Records, calls_share: float) -> list[Invariant]:
    """The state after the first pass, with the faulty handler.

    An event in hand when its owner was killed and then not performed is an `unknown_outcome` letter: its
    first attempt may have gone through, and nobody can say. The owner's own letter of it may be there too.
    """
    unknown = records.ids_with(UNKNOWN)
    dead = unknown | records.ids_with(FAILED) | records.ids_with(POISON) | records.ids_with(SCHEMA)
    lost = plan.unique_ids - records.rows.keys() - dead
    done = plan.done - unknown
    return [
        _none("nothing_lost", lost, f"{len(plan.unique_ids)} ids, each DONE or a dead letter"),
        _equal("done", done, frozenset(records.rows), "exactly the sound events have a row"),
        *_effects(records, done, calls_share),
        *(
            _equal(f"dead_letters_{reason}", planned, records.ids_with(reason), says, besides=unknown)
            for reason, planned, says in (
                (FAILED, plan.failing, "the faulty handler's events"),
                (POISON, plan.poison, "payloads without a frame"),
                (SCHEMA, plan.broken, "payloads that their schema can't read"),
            )
        ),
        _equal("dead_letters_conflict", plan.conflicts, records.ids_with(CONFLICT), "same id, other payload"),
        _nameless(plan, records),
        _none("order_kept", records.misordered, "each aircraft's flights were performed in order"),
    ]


def prove_replayed(plan: Plan, before: Records, after: Records, calls_share: float) -> list[Invariant]:
    """The state after the handler's repair and the replay of what had failed or was unknown."""
    done = plan.done | plan.failing
    kept = (FAILED, SCHEMA, CONFLICT)
    new = frozenset().union(*(after.ids_with(reason) - before.ids_with(reason) for reason in kept))
    return [
        _equal("replayed_done", done, frozenset(after.rows), "what had failed has its row now"),
        *_effects(after, done, calls_share, prefix="replayed_"),
        _none("replayed_no_new_letters", new, "no further event became a dead letter"),
    ]


def plain_repeats(records: Records) -> dict[str, int]:
    """Ids whose plain HTTP effect happened more than once, which no client can exclude."""
    return {event_id: times for event_id, times in records.mails.items() if times > 1}


def _effects(records: Records, done: frozenset[str], share: float, prefix: str = "") -> list[Invariant]:
    charged = frozenset(event_id for event_id in done if call_of(event_id, share) is Call.CHARGE)
    mailed = frozenset(event_id for event_id in done if call_of(event_id, share) is Call.MAIL)
    return [
        _once(f"{prefix}inbox_once", records.rows, "PostgreSQL through the inbox"),
        _once(f"{prefix}charge_once", records.charges, "HTTP with Idempotency-Key"),
        _none(
            f"{prefix}charges_complete", charged - records.charges.keys(), f"{len(charged)} charges are there"
        ),
        _none(f"{prefix}mails_complete", mailed - records.mails.keys(), f"{len(mailed)} mails are there"),
    ]


def _once(name: str, effects: Mapping[str, int], where: str) -> Invariant:
    more = sorted(event_id for event_id, times in effects.items() if times > 1)
    most = max(effects.values(), default=0)
    return Invariant(
        name,
        not more,
        f"{where}: at most {most} effect per id, {len(effects)} ids",
        tuple(more[:EXAMPLES]),
        len(more),
    )


def _none(name: str, offending: Iterable[str], says: str) -> Invariant:
    found = sorted(offending)
    suffix = f"; {len(found)} are not" if found else ""
    return Invariant(name, not found, says + suffix, tuple(found[:EXAMPLES]), len(found))


def _equal(
    name: str,
    planned: frozenset[str],
    found: frozenset[str],
    says: str,
    *,
    besides: frozenset[str] = frozenset(),
) -> Invariant:
    odd = sorted((planned ^ found) - besides)
    unknown = f", {len(planned & besides)} of them of unknown outcome" if planned & besides else ""
    more = f"; {len(odd)} are wrong" if odd else ""
    detail = f"{says}: {len(found)} of {len(planned)}{unknown}{more}"
    return Invariant(name, not odd, detail, tuple(odd[:EXAMPLES]), len(odd))


def _nameless(plan: Plan, records: Records) -> Invariant:
    found = len({letter.origin for letter in records.letters if letter.event_id is None})
    return Invariant(
        "dead_letters_nameless",
        found == plan.nameless,
        f"records without a usable id: {found} of {plan.nameless}",
    )
