"""The state file in a stack's home: how another process, or the watchdog, finds the servers."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING

from doublegate.local.cache import exclusive
from doublegate.local.model import Endpoints, Health
from doublegate.local.process import Handle

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

FILE_NAME = "stack.json"
LOCK_NAME = "stack.lock"


@dataclass
class Entry:
    """One server: its ports stay while its process comes and goes."""

    ports: dict[str, int]
    handle: Handle | None = None

    @property
    def health(self) -> Health:
        """Whether it runs."""
        return self.handle.health() if self.handle else Health.STOPPED


@dataclass
class State:
    """What the file says."""

    endpoints: Endpoints = field(default_factory=Endpoints)
    services: dict[str, Entry] = field(default_factory=dict)


def load(home: Path) -> State:
    """Read the file; without one nothing is up."""
    path = home / FILE_NAME
    if not path.exists():
        return State()
    raw = json.loads(path.read_text())
    entries = {
        name: Entry(entry["ports"], Handle(**entry["handle"]) if entry["handle"] else None)
        for name, entry in raw["services"].items()
    }
    return State(Endpoints(**raw["endpoints"]), entries)


def save(home: Path, state: State) -> None:
    """Replace the file at once; only its owner may read it, for it holds a password."""
    fresh = home / f"{FILE_NAME}.new"
    fresh.touch(mode=0o600)
    fresh.write_text(json.dumps(asdict(state), indent=2) + "\n")
    fresh.replace(home / FILE_NAME)


@contextmanager
def changing(home: Path) -> Iterator[State]:
    """Read the state, let the caller change it, write it, while nobody else does."""
    with exclusive(home / LOCK_NAME):
        state = load(home)
        yield state
        save(home, state)


def stop_all(home: Path) -> None:
    """Stop every server of the home, all at once, and forget them; their data stays."""
    handles = [entry.handle for entry in load(home).services.values() if entry.handle]
    with ThreadPoolExecutor(max(1, len(handles))) as pool:
        list(pool.map(Handle.stop, handles))
    (home / FILE_NAME).unlink(missing_ok=True)
