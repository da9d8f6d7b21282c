"""The end of the story: one object for machines, a page for people, an exit code."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from doublegate.demo.proof import plain_repeats
from doublegate.demo.watch import rejected

if TYPE_CHECKING:
    from doublegate.deadletters.replay import ReplayReport
    from doublegate.demo.plan import Plan
    from doublegate.demo.proof import Invariant, Records
    from doublegate.demo.settings import Settings
    from doublegate.demo.watch import Counts

__all__ = ["Rates", "Report", "Trace"]


@dataclass(frozen=True)
class Rates:
    """How fast each stage was, events per second, and how long the whole took."""

    produced: float
    finished: float
    peak: float
    effects: float
    seconds: float


@dataclass(frozen=True)
class Trace:
    """One event's life.

    Attributes:
        event_id: whose.
        trace_id: its trace.
        url: where Jaeger shows it; None without Jaeger.
        spans: names of its spans, as Jaeger has them.
    """

    event_id: str
    trace_id: str
    url: str | None
    spans: tuple[str, ...] = ()


@dataclass(frozen=True)
class Report:
    """What came out.

    Attributes:
        settings: the demo's.
        plan: what was sent.
        first: the records after the first pass.
        last: the records after the repair and the replay.
        proven: all invariants.
        counts: of the group's consumers; the killed one's as of its last scrape.
        observed: of the observer.
        far_side: the HTTP service's own summary.
        replay: of the failed events.
        rates: of the stages.
        trace: of a failed and replayed event.
    """

    settings: Settings
    plan: Plan
    first: Records
    last: Records
    proven: list[Invariant]
    counts: Counts
    observed: Counts
    far_side: dict[str, Any]
    replay: ReplayReport
    rates: Rates
    trace: Trace | None
    broken: list[Invariant] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "broken", [one for one in self.proven if not one.holds])

    def as_json(self) -> dict[str, Any]:
        """The object for machines."""
        lost = next(one for one in self.proven if one.name == "nothing_lost")
        return {
            "ok": not self.broken,
            "events_sent": len(self.plan.sends),
            "unique_ids": len(self.plan.unique_ids),
            "max_effects_per_id": max([*self.last.rows.values(), *self.last.charges.values()], default=0),
            "lost": lost.count,
            "unknown_outcomes": self.counts.unknown.total(),
            "dead_letters": self.first.letters_by_reason(),
            "rejected": rejected(self.counts),
            "events_per_second": round(self.rates.finished),
            "seconds": round(self.rates.seconds, 1),
            "duplicates_sent": {
                copy.value: count for copy, count in self.plan.copies.items() if copy != "first"
            },
            "plain_http": {**self.far_side["mail"], "repeated": plain_repeats(self.last)},
            "keyed_http": self.far_side["charge"],
            "unknown_causes": dict(self.counts.unknown),
            "observer": {"rejected": rejected(self.observed), "unknown": self.observed.unknown.total()},
            "replayed": self.replay.replayed,
            "rates": {name: round(value) for name, value in asdict(self.rates).items()},
            "trace": self.trace
            and {"event_id": self.trace.event_id, "id": self.trace.trace_id, "url": self.trace.url},
            "seed": self.settings.seed,
            "invariants": {one.name: one.holds for one in self.proven},
            "broken": [{"name": one.name, "says": one.says, "examples": one.examples} for one in self.broken],
        }

    def lines(self) -> list[str]:
        """The page for people."""
        told = self.as_json()
        mail = self.far_side["mail"]
        copies, rejections = _listed(told["duplicates_sent"]), _listed(told["rejected"])
        lines = [
            "",
            _row("sent", f"{told['events_sent']:,} events, {told['unique_ids']:,} unique ids; {copies}"),
            _row("", f"{self.plan.nameless} without a usable id"),
            _row("rates", f"produced {self.rates.produced:,.0f}/s, finished {self.rates.finished:,.0f}/s"),
            _row("", f"at best {self.rates.peak:,.0f}/s; effects {self.rates.effects:,.0f}/s"),
            _row("", f"{self.rates.seconds:.0f} s in all"),
            _row("duplicates rejected", f"{rejections}; the killed consumer's as of its last scrape"),
            _row("observer", f"would have rejected {_listed(told['observer']['rejected'])}"),
            _row("dead letters", f"{_listed(told['dead_letters'])}; {told['replayed']} replayed"),
            _row(
                "unknown outcomes",
                f"{told['unknown_outcomes']} ({_listed(told['unknown_causes']) or 'none'})",
            ),
            _row("plain HTTP", f"{mail['performed']:,} mails for {mail['ids']:,} ids"),
            _row("", f"at most {mail['max_per_id']} per id{_examples(told['plain_http']['repeated'])}"),
            "",
        ]
        lines += [f"  {'holds ' if one.holds else 'BROKEN'}  {one.name}: {one.says}" for one in self.proven]
        lines += [
            f"  examples of {one.name}: {', '.join(one.examples)}" for one in self.broken if one.examples
        ]
        if self.trace:
            where = self.trace.url or "no Jaeger in this run"
            lines.append(f"the life of {self.trace.event_id}: trace {self.trace.trace_id}, {where}")
            lines += [f"  {span}" for span in self.trace.spans]
        verdict = (
            "every effect happened once" if not self.broken else f"{len(self.broken)} invariants are BROKEN"
        )
        return [*lines, "", verdict]


def _row(name: str, text: str) -> str:
    return f"{name:20} {text}"


def _listed(counts: dict[str, int]) -> str:
    return ", ".join(f"{name} {count:,}" for name, count in sorted(counts.items()))


def _examples(repeated: dict[str, int]) -> str:
    return f"; repeated: {', '.join(sorted(repeated)[:5])}" if repeated else ""
