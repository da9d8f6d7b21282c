"""What came out of many schedules: a page, a picture, a summary that accumulates."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from tests.faults.checker import Verdict
    from tests.faults.history import History

__all__ = ["Outcome", "Summary", "write"]

TICKS = {"begins": "v", "ends": "^"}


@dataclass(frozen=True)
class Outcome:
    """One schedule's."""

    history: History
    verdict: Verdict

    @property
    def row(self) -> dict[str, Any]:
        """For machines."""
        verdict, schedule = self.verdict, self.history.schedule
        return {
            "seed": schedule.seed,
            "wide": schedule.config.wide,
            "config": str(schedule.config),
            "faults": [fault.fault for fault in schedule.faults],
            "points": [point for _, point, _ in schedule.points],
            "ok": verdict.ok,
            "violations": [asdict(one) for one in verdict.violations],
            "events": verdict.events,
            "unique": verdict.unique,
            "effects": verdict.effects,
            "second": verdict.second,
            "late": verdict.late,
            "losses": verdict.losses,
            "unknown": verdict.unknown,
            "recovery": verdict.recovery,
            "seconds": round(self.history.seconds, 1),
            "incidents": [(round(at, 1), what) for at, what in self.history.incidents],
        }


@dataclass
class Summary:
    """All schedules so far, over several runs.

    Attributes:
        rows: one a schedule.
    """

    rows: list[dict[str, Any]] = field(default_factory=list)

    @classmethod
    def load(cls, path: Path) -> Summary:
        """What earlier runs left; nothing where there were none."""
        return cls(json.loads(path.read_text())["runs"]) if path.exists() else cls()

    def as_json(self) -> dict[str, Any]:
        """The object for machines."""
        inbox = [row for row in self.rows if row["config"].startswith("inbox")]
        plain = [row for row in self.rows if row["config"].startswith("plain")]
        return {
            "schedules": len(self.rows),
            "passed": sum(row["ok"] for row in self.rows),
            "events": sum(row["events"] for row in self.rows),
            "losses": sum(row["losses"] for row in self.rows),
            "second_effects_with_inbox": sum(row["second"] for row in inbox),
            "second_effects_redis_only": sum(row["second"] for row in plain),
            "unknown_outcomes": sum(row["unknown"] for row in self.rows),
            "seeds_failed": [row["seed"] for row in self.rows if not row["ok"]],
            "slowest_recovery_seconds": max((row["recovery"] or 0.0 for row in self.rows), default=0.0),
            "runs": self.rows,
        }


def write(folder: Path, summary: Summary, latest: Sequence[Outcome]) -> None:
    """`faults.json`, `faults.md` and, of the latest run, `faults.png`."""
    folder.mkdir(parents=True, exist_ok=True)
    found = summary.as_json()
    (folder / "faults.json").write_text(json.dumps(found, indent=1) + "\n")
    (folder / "faults.md").write_text(_page(found))
    if latest:
        _plot(folder / "faults.png", latest)


def _page(found: dict[str, Any]) -> str:
    rows = found["runs"]
    columns = [
        "seed",
        "result",
        "effects_per_id",
        "second",
        "late",
        "lost",
        "unknown",
        "recovery",
        "seconds",
        "consumers",
        "faults",
    ]
    lines = [
        "# Fault runs",
        "",
        _sentence(found),
        "",
        f"Injected: {_counted(fault for row in rows for fault in row['faults'])}.",
        "",
        f"Killed by themselves at: {_counted(point for row in rows for point in row['points'])}.",
        "",
        f"| {' | '.join(name.replace('_', ' ') for name in columns)} |",
        f"|{'---|' * len(columns)}",
    ]
    for row in rows:
        effects = ", ".join(f"{n}: {ids}" for n, ids in row["effects"].items())
        recovery = "-" if row["recovery"] is None else f"{row['recovery']:.1f} s"
        result = "holds" if row["ok"] else "**" + "; ".join(v["rule"] for v in row["violations"]) + "**"
        lines.append(
            f"| {row['seed']} | {result} | {effects} | {row['second']} | {row['late']} | {row['losses']} "
            f"| {row['unknown']} | {recovery} | {row['seconds']} | {row['config']} "
            f"| {', '.join([*row['faults'], *row['points']]) or 'none'} |"
        )
    return "\n".join(lines) + "\n"


def _sentence(found: dict[str, Any]) -> str:
    return (
        f"{found['passed']} of {found['schedules']} schedules passed, {datetime.now(UTC):%Y-%m-%d %H:%M}: "
        f"{found['events']:,} events, {found['losses']} lost, {found['unknown_outcomes']:,} outcomes named "
        f"unknown. Second effects: {found['second_effects_with_inbox']} with the inbox; "
        f"{found['second_effects_redis_only']} with Redis alone and a far side that ignores its key, each of "
        f"them named. Slowest recovery: {found['slowest_recovery_seconds']:.1f} s."
    )


def _counted(names: Iterable[str]) -> str:
    return ", ".join(f"{name} {count}" for name, count in Counter(names).most_common()) or "none"


def _plot(path: Path, outcomes: Sequence[Outcome]) -> None:
    """Effects over time, a line a schedule, with the faults on it."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    shown = outcomes[-24:]
    figure, axes = plt.subplots(len(shown), 1, figsize=(12, 1.1 * len(shown) + 1), sharex=True, squeeze=False)
    for axis, outcome in zip(axes[:, 0], shown, strict=True):
        history = outcome.history
        axis.hist(
            [c.started - history.began for c in history.calls], bins=120, range=(0, 60), color="#4878a8"
        )
        for at, what in history.incidents:
            axis.axvline(at, color="#c04030", linewidth=0.8)
            axis.text(at, axis.get_ylim()[1], what, fontsize=4, rotation=25, ha="left")
        axis.set_ylabel(
            str(history.schedule.seed), fontsize=6, color="black" if outcome.verdict.ok else "red"
        )
        axis.tick_params(labelsize=5)
    axes[-1, 0].set_xlabel("seconds; effects per half second, faults as they began and ended")
    figure.tight_layout()
    figure.savefig(path, dpi=130)
    plt.close(figure)
