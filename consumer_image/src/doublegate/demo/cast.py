"""The processes of the demo: the far side, the consumers, an observer, the publisher."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from doublegate.contract.secrets import ROOT_VARIABLE
from doublegate.demo import settings as names
from doublegate.demo.publish import Order
from doublegate.demo.watch import Counts, at_work, scrape, status
from doublegate.local.ports import free_ports

if TYPE_CHECKING:
    from pathlib import Path

    from doublegate.demo.processes import Child, Children
    from doublegate.demo.scene import Scene
    from doublegate.demo.settings import Settings

__all__ = ["OBSERVER", "Cast", "Consumer"]

START_SECONDS = 45.0
OBSERVER = "observer"


class Consumer:
    """One consumer process and what its counters said last.

    Attributes:
        child: the process.
        port: of its probes and metrics.
        counts: as of the last scrape.
    """

    def __init__(self, child: Child, port: int) -> None:
        self.child = child
        self.port = port
        self.counts = Counts()

    def scrape(self) -> None:
        """Read its counters, unless it does not answer."""
        if self.child.exit_code is None and (found := scrape(self.port)) is not None:
            self.counts = found


class Cast:
    """Starts them; `children` ends them.

    Args:
        settings: the demo's.
        scene: what they are given.
        children: who ends them.
    """

    def __init__(self, settings: Settings, scene: Scene, children: Children) -> None:
        self._settings, self._scene, self._children = settings, scene, children
        self._progress = settings.home / "published.json"
        self._go = settings.home / "go"
        self.far_side_url = ""
        self.consumers: dict[str, Consumer] = {}

    def start_far_side(self) -> None:
        """Start the external API and wait for its port."""
        home = self._settings.home
        port_file = home / "far-side.port"
        arguments = [
            "-m",
            "doublegate.demo.far_side",
            "--calls",
            str(home / "calls.jsonl"),
            "--port-file",
            str(port_file),
        ]
        self._children.start("far-side", arguments, cwd=home)
        self._children.wait_for("the start of the far side", port_file.exists, START_SECONDS)
        self.far_side_url = f"http://127.0.0.1:{port_file.read_text()}"

    def start_consumers(self) -> None:
        """Start two of the group and the observer, and wait until each has its partitions."""
        files = {
            "consumer-1": self._scene.flights_file,
            "consumer-2": self._scene.flights_file,
            OBSERVER: self._scene.observer_file,
        }
        for (name, file), port in zip(files.items(), free_ports(len(files)), strict=True):
            self.consumers[name] = Consumer(self._start_consumer(name, file, port), port)
        self._children.wait_for("the share-out of the partitions", self._shared_out, START_SECONDS)

    def start_orders(self) -> None:
        """Start the orders' consumer and wait until it has its partitions."""
        kafka, [port] = self._scene.orders.spec.kafka, free_ports(1)
        self._start_consumer("orders", self._scene.orders_file, port)
        self._children.wait_for(
            "the start of the orders' consumer",
            lambda: at_work(port, kafka.topic) == kafka.partitions,
            START_SECONDS,
        )

    def shares(self) -> dict[str, int]:
        """How many partitions of the source each consumer works on."""
        topic = self._scene.flights.spec.kafka.topic
        return {
            name: at_work(one.port, topic)
            for name, one in self.consumers.items()
            if one.child.exit_code is None
        }

    def _shared_out(self) -> bool:
        shares = self.shares()
        wanted = self._scene.flights.spec.kafka.partitions
        group = sum(count for name, count in shares.items() if name != OBSERVER)
        return all(shares.values()) and group == shares.get(OBSERVER) == wanted

    def start_publisher(self) -> None:
        """Start the publisher, which prepares itself and waits for `send`."""
        settings = self._settings
        order = Order(
            consumer=str(self._scene.flights_file),
            schema=str(settings.examples / "flight.avsc"),
            progress=str(self._progress),
            go=str(self._go),
            events=settings.events,
            seed=settings.seed,
            shares=asdict(settings.shares),
        )
        file = settings.home / "order.json"
        order.write(file)
        self._children.start("publisher", ["-m", "doublegate.demo.publish", str(file)], cwd=settings.home)

    def send(self) -> None:
        """Let the publisher begin."""
        self._go.touch()

    def published(self) -> dict[str, Any]:
        """How far the publisher is: `sent`, `seconds`, `finished`."""
        if not self._progress.exists():
            return {"sent": 0, "seconds": 0.0, "finished": False}
        found: dict[str, Any] = json.loads(self._progress.read_text())
        return found

    def describe(self) -> str:
        """What each living consumer says of itself, and where its log is."""
        living = {name: one for name, one in self.consumers.items() if one.child.exit_code is None}
        return "\n".join(f"{name}, log {one.child.log}: {status(one.port)}" for name, one in living.items())

    def scrape(self) -> None:
        """Read everybody's counters."""
        for consumer in self.consumers.values():
            consumer.scrape()

    def counts(self) -> Counts:
        """The group's, without the observer's."""
        return sum((one.counts for name, one in self.consumers.items() if name != OBSERVER), Counts())

    def _start_consumer(self, name: str, file: Path, port: int) -> Child:
        settings = self._settings
        arguments = [
            "-m",
            "doublegate.cli",
            "run",
            str(file),
            "--http-host",
            "127.0.0.1",
            "--http-port",
            str(port),
        ]
        arguments += ["--app-dir", str(settings.examples), "--until-stdin-closes"]
        env = {
            ROOT_VARIABLE: str(self._scene.secrets),
            names.FAR_SIDE_URL: self.far_side_url,
            names.FAILING: str(settings.shares.failing),
            names.CALLS: str(settings.shares.calls),
            names.REPAIRED: str(settings.repaired),
            names.SLOW: str(settings.slow),
        }
        return self._children.start(name, arguments, cwd=settings.home, env=env)
