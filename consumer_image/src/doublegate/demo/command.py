"""The demo as a command: a directory for the run, signals, the console, the exit code."""

from __future__ import annotations

import json
import shutil
import signal
import sys
import tempfile
import time
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from doublegate.demo.settings import EVENTS, Settings
from doublegate.demo.story import tell
from doublegate.demo.view import View
from doublegate.local.cache import cache_dir

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType

__all__ = ["run_demo"]

OK, BROKEN, INTERRUPTED = 0, 1, 130
ABANDONED_SECONDS = 3600.0
PREFIX = "run-"


def run_demo(
    *, events: int | None, seed: int, traces: bool, as_json: bool, home: Path | None, keep: bool
) -> int:
    """Run it; returns the exit code: 0 when every invariant holds, 1 when one does not, 130 after Ctrl-C.

    Raises:
        DemoError: Something died or took too long.
        LocalStackError: A server did not come up.
    """
    console = Console(stderr=as_json)
    view = View(console)
    base = home or cache_dir() / "demo"
    chosen = Settings(home=base, events=EVENTS if events is None else events, seed=seed, traces=traces)
    directory = _fresh_directory(base)
    settings = replace(chosen, home=directory)
    try:
        with _sigterm_as_interrupt():
            report = tell(settings, view)
    except KeyboardInterrupt:
        view.step(f"interrupted; everything is stopped, the logs are in {directory}")
        return INTERRUPTED
    for line in report.lines():
        view.step(line)
    if as_json:
        sys.stdout.write(json.dumps(report.as_json()) + "\n")
    if report.broken or keep:
        view.step(f"the records and logs are in {directory}")
    else:
        shutil.rmtree(directory, ignore_errors=True)
    return BROKEN if report.broken else OK


def _fresh_directory(base: Path) -> Path:
    """A directory of the run's own; those that failed runs left are removed after an hour."""
    base.mkdir(parents=True, exist_ok=True)
    for old in base.glob(f"{PREFIX}*"):
        in_use = (old / "stack" / "stack.json").exists()
        if not in_use and time.time() - old.stat().st_mtime > ABANDONED_SECONDS:
            shutil.rmtree(old, ignore_errors=True)
    return Path(tempfile.mkdtemp(prefix=PREFIX, dir=base))


@contextmanager
def _sigterm_as_interrupt() -> Iterator[None]:
    """SIGTERM ends the demo as Ctrl-C does; a second signal does not disturb the cleaning up."""

    def interrupt(_: int, __: FrameType | None) -> None:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, signal.SIG_IGN)
        raise KeyboardInterrupt

    former = {number: signal.signal(number, interrupt) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)
