"""Shows the run: a live table on a terminal, a line every few seconds elsewhere."""

from __future__ import annotations

import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rich.live import Live
from rich.table import Table

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.console import Console

__all__ = ["Snapshot", "View"]

LINE_SECONDS = 3.0
REFRESH_PER_SECOND = 4


@dataclass(frozen=True)
class Snapshot:
    """The run at one moment.

    Attributes:
        seconds: since the first event was sent.
        sent: events that the publisher has sent.
        planned: that it will send.
        done: records that the group has finished and committed.
        observed: records that the observer has finished.
        rate: finished records per second, lately.
        rejected: duplicates by where they were rejected.
        dead_letters: acknowledged, by reason.
        unknown: outcomes that nobody can know.
        charges: calls of the far side's keyed endpoint, and effects.
        mails: calls of its plain endpoint.
        consumers: names and whether they live.
    """

    seconds: float
    sent: int
    planned: int
    done: int
    observed: int
    rate: float
    rejected: dict[str, int]
    dead_letters: dict[str, int]
    unknown: int
    charges: tuple[int, int]
    mails: int
    consumers: dict[str, bool]

    def rows(self) -> list[tuple[str, str]]:
        """What and how much, for people."""
        alive = ", ".join(
            f"{name} {'lives' if lives else 'killed'}" for name, lives in self.consumers.items()
        )
        rejected = ", ".join(f"{where} {count}" for where, count in self.rejected.items())
        letters = (
            ", ".join(f"{reason} {count}" for reason, count in sorted(self.dead_letters.items())) or "none"
        )
        return [
            ("time", f"{self.seconds:.0f} s"),
            ("sent", f"{self.sent:,} of {self.planned:,}"),
            ("finished", f"{self.done:,} at {self.rate:,.0f}/s; the observer {self.observed:,}"),
            ("duplicates rejected", rejected),
            ("dead letters", letters),
            ("unknown outcomes", str(self.unknown)),
            ("far side", f"{self.charges[1]:,} charges in {self.charges[0]:,} calls, {self.mails:,} mails"),
            ("processes", alive),
        ]

    def line(self) -> str:
        """All of it in a line."""
        return "; ".join(f"{name} {text}" for name, text in self.rows()[1:5])


class View:
    """Tells the story to a console."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._live: Live | None = None
        self._next_line = 0.0

    def step(self, text: str) -> None:
        """One thing that happens."""
        self._console.print(text, markup=False, highlight=False, soft_wrap=True)

    @contextmanager
    def following(self) -> Iterator[None]:
        """While snapshots come."""
        if not self._console.is_terminal:
            yield
            return
        with Live(console=self._console, refresh_per_second=REFRESH_PER_SECOND) as self._live:
            yield
        self._live = None

    def show(self, snapshot: Snapshot) -> None:
        """The run at this moment."""
        if self._live is not None:
            table = Table(show_header=False, title="doublegate demo", title_justify="left")
            for name, text in snapshot.rows():
                table.add_row(name, text)
            self._live.update(table)
        elif time.monotonic() >= self._next_line:
            self._next_line = time.monotonic() + LINE_SECONDS
            self.step(f"  {snapshot.seconds:4.0f} s  {snapshot.line()}")
