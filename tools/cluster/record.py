"""What the cluster has started and changed on this machine, kept so that another process can undo it."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path

from doublegate.local.process import Handle
from tools.cluster.layout import Layout

__all__ = ["Record", "current_layout"]


@dataclass
class Record:
    """The state file; it lies in the run directory, which does not outlive a reboot, as little as the rest.

    Attributes:
        file: where it is kept.
        home: the cluster's, which the cache decides that was in use at its start.
        complete: the start came to its end.
        parts: the processes, by name, in the order of their start.
        sysctls: former values of what was changed.
        forwarding: rules were added because the machine drops what it does not know.
    """

    file: Path
    home: str = ""
    complete: bool = False
    parts: dict[str, Handle] = field(default_factory=dict)
    sysctls: dict[str, str] = field(default_factory=dict)
    forwarding: bool = False

    @classmethod
    def load(cls, run: Path) -> Record:
        """Read it; without a file nothing was started."""
        file = run / "state.json"
        if not file.exists():
            return cls(file)
        raw = json.loads(file.read_text())
        parts = {name: Handle(**handle) for name, handle in raw["parts"].items()}
        return cls(file, raw["home"], raw["complete"], parts, raw["sysctls"], raw["forwarding"])

    def save(self) -> None:
        """Replace the file at once."""
        self.file.parent.mkdir(mode=0o711, parents=True, exist_ok=True)
        fresh = self.file.with_suffix(".new")
        content = {
            "home": self.home,
            "complete": self.complete,
            "parts": {name: asdict(handle) for name, handle in self.parts.items()},
            "sysctls": self.sysctls,
            "forwarding": self.forwarding,
        }
        fresh.write_text(json.dumps(content, indent=2) + "\n")
        fresh.replace(self.file)

    @property
    def running(self) -> dict[str, Handle]:
        """The parts whose process is there."""
        return {name: handle for name, handle in self.parts.items() if handle.process() is not None}

    @property
    def well(self) -> bool:
        """Whether the whole cluster was started, and all of it runs."""
        return self.complete and len(self.running) == len(self.parts)


def current_layout() -> Layout:
    """Where the files of the cluster are that was started here, or else where they would be."""
    usual = Layout()
    home = Record.load(usual.run).home
    return Layout(Path(home)) if home else usual
