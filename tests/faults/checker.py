"""What must hold after a run: pure, over the far side's records, Kafka, dead letters, and named doubts."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tests.faults.handlers import Kind, kind_of
from tests.faults.plan import Effect

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from tests.faults.history import Call, History

__all__ = ["Verdict", "Violation", "check"]

REPAIRABLE = frozenset({"failed", "unknown_outcome", "parked"})
OURS = "dg-"


@dataclass(frozen=True, slots=True)
class Violation:
    """Something that must not be, with examples."""

    rule: str
    says: str


@dataclass
class Verdict:
    """A run's.

    Attributes:
        violations: empty when all holds.
        events: records sent.
        unique: ids.
        effects: ids by how often their effect happened.
        second: second effects, each of an outcome that was named.
        late: effects that arrived under an epoch that was not the newest any more.
        losses: ids that are neither performed nor a dead letter.
        unknown: outcomes that the consumers named as unknown.
        recovery: seconds until a dead process's partitions went on, the longest.
    """

    violations: list[Violation] = field(default_factory=list)
    events: int = 0
    unique: int = 0
    effects: dict[int, int] = field(default_factory=dict)
    second: int = 0
    late: int = 0
    losses: int = 0
    unknown: int = 0
    recovery: float | None = None

    @property
    def ok(self) -> bool:
        """Whether all holds."""
        return not self.violations


def check(history: History) -> Verdict:
    """Hold a run against the promises."""
    effects = Counter(call.id for call in history.calls)
    ids = {record.id for record in history.sent}
    verdict = Verdict(
        events=len(history.sent),
        unique=len(ids),
        effects=dict(sorted(Counter(effects.values()).items())),
        second=sum(n - 1 for n in effects.values()),
        late=len(list(_late(history.calls))),
        losses=len(_lost(history, ids, effects)),
        unknown=sum(history.named.values()),
        recovery=_recovery(history),
    )
    for rule in (
        _nothing_lost,
        _all_passed,
        _no_second_effect,
        _no_stale_start,
        _order,
        _replay,
        _reread,
        _letters_whole,
        _nothing_invented,
        _conflicts,
        _engines,
    ):
        verdict.violations += rule(history, effects)
    return verdict


def _lost(history: History, ids: set[str], effects: Counter[str]) -> set[str]:
    return ids - effects.keys() - {letter.id for letter in history.letters}


def _nothing_lost(history: History, effects: Counter[str]) -> Iterator[Violation]:
    ids = {record.id for record in history.sent}
    if lost := _lost(history, ids, effects):
        yield _violation("nothing is lost", "neither performed nor a dead letter", lost)
    dead = {letter.id for letter in history.letters if letter.reason not in REPAIRABLE | {"conflict"}}
    dead |= {event_id for event_id in ids if kind_of(event_id) is Kind.BROKEN}
    if missing := ids - effects.keys() - dead - lost:
        yield _violation(
            "a replay performs what had failed", "repaired, replayed, and not performed", missing
        )


def _all_passed(history: History, _: Counter[str]) -> Iterator[Violation]:
    for topic, count in history.unread.items():
        if count:
            yield Violation("everything is passed", f"{count} records of {topic} are not committed")


def _no_second_effect(history: History, effects: Counter[str]) -> Iterator[Violation]:
    second = {event_id: n - 1 for event_id, n in effects.items() if n > 1}
    if history.schedule.config.effect is not Effect.PLAIN:
        if second:
            yield _violation(f"once, with {history.schedule.config.effect}", "performed again", second)
        return
    odd = {e: n for e, n in second.items() if n > history.named.get(e, 0) + history.suspects.get(e, 0)}
    if odd and not (history.ledger_lost and len(odd) <= history.doubts):
        yield _violation("a second effect is named", "performed again, and nobody named it", odd)


def _no_stale_start(history: History, _: Counter[str]) -> Iterator[Violation]:
    """No owner starts an event that a newer one has started."""
    stale = []
    for event_id, calls in _by_id(history.calls).items():
        newest: dict[tuple[int, bool], int] = {}
        for call in sorted(calls, key=lambda c: c.started):
            place = call.partition, call.replay
            if call.epoch < newest.get(place, 0):
                stale.append(event_id)
            newest[place] = max(newest.get(place, 0), call.epoch)
    if stale:
        yield _violation("no start under a stale epoch", "started after a newer owner had", stale)


def _order(history: History, _: Counter[str]) -> Iterator[Violation]:
    """The first effects of a key come in the order of their offsets; what failed first may come later."""
    excused = history.named.keys() | {letter.id for letter in history.letters} | history.suspects.keys()
    grows = any(fault.fault == "partitions_grow" for fault in history.schedule.faults)
    broken = []
    seen: set[str] = set()
    highest: dict[tuple[str, int], tuple[int, str]] = {}
    for call in sorted(history.calls, key=lambda c: c.started):
        if call.id in seen or call.replay or call.id in excused:
            seen.add(call.id)
            continue
        seen.add(call.id)
        place = call.record_key, call.partition if grows else 0
        before = highest.get(place, (-1, ""))
        if call.offset < before[0]:
            broken.append(f"{call.id} after {before[1]}")
        else:
            highest[place] = call.offset, call.id
    if broken:
        yield _violation("a key's order is kept", "started before an earlier event of its key", broken)


def _replay(history: History, _: Counter[str]) -> Iterator[Violation]:
    before, after = history.after_replay
    lost_lines = history.schedule.config.on_failure == "ParkKey" and history.ledger_lost
    if after > before and not lost_lines:
        yield Violation("a second replay performs nothing", f"{after - before} effects of a second replay")
    if history.schedule.config.on_failure != "ParkKey" or history.ledger_lost:  # it may have lost the lines
        return
    broken = []
    highest: dict[str, tuple[int, str]] = {}
    for call in sorted((c for c in history.calls if c.replay), key=lambda c: c.started):
        place = next((r.offset for r in history.sent if r.id == call.id), -1)
        last = highest.get(call.record_key, (-1, ""))
        if place < last[0] and call.id not in history.named:
            broken.append(f"{call.id} after {last[1]}")
        highest[call.record_key] = max(last, (place, call.id))
    if broken:
        yield _violation("a replay keeps a parked key's order", "performed before an earlier one", broken)


def _reread(history: History, _: Counter[str]) -> Iterator[Violation]:
    if history.after_reread is not None and history.after_reread[1] > history.after_reread[0]:
        more = history.after_reread[1] - history.after_reread[0]
        yield Violation("reading all again performs nothing", f"{more} effects of a full replay")


def _letters_whole(history: History, _: Counter[str]) -> Iterator[Violation]:
    """A dead letter has its record's headers, byte for byte and in order."""
    sent = defaultdict(list)
    for record in history.sent:
        sent[record.id].append(record.headers)
    changed = []
    for letter in history.letters:
        own = tuple(header for header in letter.headers if not header[0].startswith(OURS))
        if letter.id in sent and own not in sent[letter.id]:
            changed.append(letter.id)
    if changed:
        yield _violation("a dead letter keeps its headers", "changed", changed)


def _nothing_invented(history: History, effects: Counter[str]) -> Iterator[Violation]:
    if invented := effects.keys() - {record.id for record in history.sent}:
        yield _violation("only what was sent is performed", "never committed by its producer", invented)


def _conflicts(history: History, _: Counter[str]) -> Iterator[Violation]:
    first: dict[str, int] = {}
    for record in sorted(history.sent, key=lambda r: r.number):
        first.setdefault(record.id, record.number)
    wrong = [c.id for c in history.calls if c.number != first.get(c.id, c.number)]
    conflicting = {record.id for record in history.sent if record.number != first[record.id]}
    if history.ledger_lost:
        return
    told = {letter.id for letter in history.letters if letter.reason == "conflict"}
    if silent := conflicting - told:
        yield _violation("another payload is a conflict", "no dead letter", silent)
    if wrong:
        yield _violation("another payload is a conflict", "performed with it", wrong)


def _engines(history: History, _: Counter[str]) -> Iterator[Violation]:
    if history.stops:
        yield Violation("no engine stops", f"{len(history.stops)} did, the first with ...{history.stops[0]}")


def _late(calls: Iterable[Call]) -> Iterator[Call]:
    """Effects that arrived after one of a newer epoch in their partition."""
    newest: dict[tuple[int, bool], int] = {}
    for call in sorted(calls, key=lambda c: c.at):
        place = call.partition, call.replay
        if call.epoch < newest.get(place, 0):
            yield call
        newest[place] = max(newest.get(place, 0), call.epoch)


def _recovery(history: History) -> float | None:
    """From a process's end to the next effect in each partition that it had worked on of late."""
    longest = None
    for when, pid in history.killed:
        mine = {c.partition for c in history.calls if c.pid == pid and when - 3 < c.started < when}
        for partition in mine:
            later = [
                c.started
                for c in history.calls
                if c.partition == partition and c.pid != pid and c.started > when
            ]
            waiting = [r for r in history.sent if r.partition == partition]
            if later and waiting:
                longest = max(longest or 0.0, min(later) - when)
    return longest


def _by_id(calls: Iterable[Call]) -> dict[str, list[Call]]:
    found: dict[str, list[Call]] = defaultdict(list)
    for call in calls:
        found[call.id].append(call)
    return found


def _violation(rule: str, says: str, ids: Iterable[str]) -> Violation:
    found = sorted(set(ids))
    return Violation(rule, f"{len(found)} {says}: {', '.join(found[:6])}")
