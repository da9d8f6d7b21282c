"""The consumers: one process a group, as `doublegate run` starts them, and the slow one's downstream."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import psutil
import requests
import yaml

from doublegate.local.ports import LOOPBACK, free_ports
from tests.benchmarks.feed import PARTITIONS
from tests.benchmarks.flow.downstream import SLOTS
from tests.benchmarks.flow.samples import GroupSample
from tests.benchmarks.job import ROOT

if TYPE_CHECKING:
    from pathlib import Path

    from doublegate.demo.processes import Children
    from doublegate.local.model import Endpoints
    from tests.benchmarks.flow.plan import Far, Plan

__all__ = ["ATTEMPTS", "BOUND", "MAX_IN_FLIGHT", "SLOW", "Groups", "cpu_seconds"]

SLOW = "slow"
BOUND = 32
"""`flow.concurrency.max` of the slow group: its downstream shall never see more calls at once."""
MAX_IN_FLIGHT = 2000
"""`flow.maxInFlight`, the default."""
ATTEMPTS = 5
"""`retries.attempts`, the default."""
CAPACITY = 4.0
"""Times the rate at rest that the downstream bears: less than the spike, enough to drain it."""
START_SECONDS = 120.0
CALL_SECONDS = 10.0


class Groups:
    """All of them.

    Args:
        children: starts and ends the processes.
        home: for their resources.
        ends: the servers.
        topic: what they read.
        plan: the run.
    """

    def __init__(self, children: Children, home: Path, ends: Endpoints, topic: str, plan: Plan) -> None:
        self.names = (SLOW, *(f"quick-{number}" for number in range(1, plan.groups)))
        self._http = requests.Session()
        far_port, *ports = free_ports(1 + len(self.names))
        self._far = f"http://{LOOPBACK}:{far_port}"
        latency = SLOTS / (CAPACITY * plan.rate)
        far = ["-m", "tests.benchmarks.flow.downstream", str(far_port), str(latency)]
        children.start("downstream", far, cwd=ROOT)
        self._urls: dict[str, str] = {}
        self._processes: dict[str, psutil.Process] = {}
        for name, port in zip(self.names, ports, strict=True):
            path = home / f"{name}.yaml"
            path.write_text(yaml.safe_dump(self._resource(name, ends, topic, plan)))
            listen = ["--http-host", LOOPBACK, "--http-port", str(port), "--until-stdin-closes"]
            arguments = ["-m", "doublegate.cli", "run", str(path), "--log-level", "ERROR", *listen]
            self._processes[name] = psutil.Process(children.start(name, arguments, cwd=ROOT).pid)
            self._urls[name] = f"http://{LOOPBACK}:{port}"
        children.wait_for("the groups' assignment", self._ready, START_SECONDS)

    def far(self, state: Far) -> None:
        """Change the downstream."""
        self._http.post(f"{self._far}/state/{state}", timeout=CALL_SECONDS).raise_for_status()

    def figures(self) -> dict[str, int]:
        """The downstream's."""
        found: dict[str, int] = self._http.get(f"{self._far}/figures", timeout=CALL_SECONDS).json()
        return found

    def sample(self, name: str, written: int) -> GroupSample:
        """How one is, `written` events after the start."""
        facts = self._http.get(f"{self._urls[name]}/status", timeout=CALL_SECONDS).json()
        done = sum(row["count"] for row in facts["events"] if row["decision"] == "done")
        letters = sum(facts["deadLetters"].values())
        process = self._processes[name]
        return GroupSample(
            done=done,
            letters=letters,
            behind=max(0, written - done - letters),
            held=facts["held"],
            concurrency=facts["concurrency"],
            paused=tuple(facts["paused"]),
            memory=process.memory_info().rss,
            cpu=cpu_seconds(process),
        )

    def _ready(self) -> bool:
        try:
            return all(self._http.get(f"{url}/readyz", timeout=1).ok for url in self._urls.values())
        except requests.RequestException:
            return False

    def _resource(self, name: str, ends: Endpoints, topic: str, plan: Plan) -> dict[str, Any]:
        spec: dict[str, Any] = {
            "handler": {"python": "tests.benchmarks.handlers:ignore"},
            "kafka": {
                "bootstrapServers": str(ends.bootstrap_servers),
                "topic": topic,
                "group": f"flow-{name}",
                "partitions": PARTITIONS,
                "replicationFactor": 1,
                "minInsyncReplicas": 1,
            },
            "filter": {"expectedRate": int(plan.rate * plan.factor), "window": "1m"},
            "ledger": {"url": str(ends.redis_url), "ttl": "10m"},
            "retries": {"attempts": ATTEMPTS},
            "scaling": {"mode": "Manual", "targetDrain": f"{round(plan.target_drain * 1000)}ms"},
            "flow": {"maxInFlight": MAX_IN_FLIGHT, "producerSignal": True},
        }
        if name == SLOW:
            spec["handler"] = {"http": {"url": f"{self._far}/call"}}
            spec["flow"]["concurrency"] = {"max": BOUND}
        kind = {"apiVersion": "doublegate.dev/v1alpha1", "kind": "IdempotentConsumer"}
        return {**kind, "metadata": {"name": name}, "spec": spec}


def cpu_seconds(process: psutil.Process) -> float:
    """What a process has used so far, in user and in system mode."""
    used = process.cpu_times()
    return used.user + used.system
