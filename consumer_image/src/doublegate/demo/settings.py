"""What can be chosen about a demo."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from doublegate.demo.errors import DemoError
from doublegate.demo.plan import Shares

__all__ = ["CALLS", "EVENTS", "FAILING", "FAR_SIDE_URL", "REPAIRED", "SLOW", "Settings", "examples_directory"]

EVENTS = 100_000
"""What two busy cores manage within a minute, with the servers on the same machine."""

# How the handlers in examples/ learn their part.
FAR_SIDE_URL = "FLIGHTS_FAR_SIDE"
FAILING = "FLIGHTS_FAILING"
REPAIRED = "FLIGHTS_REPAIRED"
CALLS = "FLIGHTS_CALLS"
SLOW = "ORDERS_SLOW"


def examples_directory() -> Path:
    """The repository's `examples/`, seen from the working directory or from the package's source.

    Raises:
        DemoError: It is in neither place.
    """
    for base in (Path.cwd(), *Path(__file__).resolve().parents):
        if (base / "examples" / "flights.yaml").is_file():
            return base / "examples"
    raise DemoError("the demo's examples/flights.yaml was not found: run it in a checkout of the repository")


@dataclass(frozen=True)
class Settings:
    """The demo's settings.

    Attributes:
        home: directory of data, logs and generated files; the servers' too.
        events: how many are sent, copies included.
        seed: of the plan; the same seed sends the same events in the same order.
        shares: what is injected.
        traces: start Jaeger and trace the sampled events.
        kill_after: the part of the events that is done when a consumer is killed.
        deadline: seconds for everything after the servers are up.
        examples: directory with the handler, the resources and the schema.
    """

    home: Path
    events: int = EVENTS
    seed: int = 2013
    shares: Shares = field(default_factory=Shares)
    traces: bool = True
    kill_after: float = 0.35
    deadline: float = 300.0
    examples: Path = field(default_factory=examples_directory)

    def __post_init__(self) -> None:
        if not 100 <= self.events <= 300_000:
            raise DemoError(f"--events: {self.events} given; allowed: 100 to 300000")

    @property
    def logs(self) -> Path:
        """Where the processes write."""
        return self.home / "logs"

    @property
    def repaired(self) -> Path:
        """The handler is repaired when this file is there."""
        return self.home / "handler-repaired"

    @property
    def slow(self) -> Path:
        """The orders' handler is slow while this file is there."""
        return self.home / "orders-slow"
