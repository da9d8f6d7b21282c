"""`make bench-operator`: many resources on a real API server, Kafka and ledger, and one operator process.

From cold, after a restart during which every resource changed, and after somebody changed objects. Nothing
makes pods of the Deployments, so a resource is reconciled when all that the operator does for it is done.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import psutil
import requests
from lightkube import Client
from lightkube.config.kubeconfig import KubeConfig
from lightkube.core.resource import Resource
from lightkube.resources.networking_v1 import NetworkPolicy
from lightkube.types import PatchType
from prometheus_client.parser import text_string_to_metric_families
from rich.console import Console
from rich.table import Table

from doublegate.local.model import Service
from doublegate.local.ports import free_ports
from doublegate_operator.shell.kinds import CONSUMER, resource
from tests.benchmarks.job import ROOT
from tests.benchmarks.report import MIB, machine
from tests.benchmarks.suite import servers
from tests.helpers import eventually
from tests.operator.api_server import ApiServer
from tests.operator.conftest import CRDS
from tests.operator.running import LEASE_NAME, Place, place
from tools import builds

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

DRIFTED = 20
SECONDS = 600.0
REPAIR_SECONDS = 10.0
REST_SECONDS = 60.0
CONSUMERS: type[Resource] = resource(CONSUMER)  # type: ignore[type-abstract]


class Bench:
    """The resources and what is asked of them.

    Args:
        where: a namespace.
        endpoints: of Kafka and the ledger.
        count: resources.
    """

    def __init__(self, where: Place, endpoints: Any, count: int) -> None:
        self._client = Client(KubeConfig.from_file(where.admin), field_manager="bench", namespace=where.name)
        self._where = where
        self._endpoints = endpoints
        self.names = [f"consumer-{number}" for number in range(count)]

    def apply(self, drain: str) -> None:
        """All of them."""
        for name in self.names:
            spec = {
                "image": "registry.example/consumer:1",
                "handler": {"python": "shop.payments:charge"},
                "kafka": {
                    "bootstrapServers": self._endpoints.bootstrap_servers,
                    "topic": name,
                    "group": name,
                    "partitions": 1,
                    "replicationFactor": 1,
                    "minInsyncReplicas": 1,
                },
                "ledger": {"url": self._endpoints.redis_url},
                "filter": {"expectedRate": 100},
                "scaling": {"mode": "Manual", "targetDrain": drain},
            }
            meta = {"name": name, "namespace": self._where.name}
            whole = {
                "apiVersion": CONSUMER.api_version,
                "kind": CONSUMER.kind,
                "metadata": meta,
                "spec": spec,
            }
            self._client.patch(CONSUMERS, name, whole, patch_type=PatchType.APPLY, force=True)

    def reconciled(self) -> bool:
        """Whether there is nothing left to do for any."""
        return all(map(_done, self._client.list(CONSUMERS)))

    def spoil(self) -> None:
        """Somebody opens the network of some."""
        for name in self.names[:DRIFTED]:
            self._client.patch(NetworkPolicy, name, {"spec": {"ingress": [{}]}}, patch_type=PatchType.MERGE)

    def repaired(self) -> bool:
        """Whether none is open."""
        found = {one.metadata.name: one for one in self._client.list(NetworkPolicy)}
        return all(found[name].to_dict()["spec"].get("ingress") != [{}] for name in self.names[:DRIFTED])


def _done(raw: Any) -> bool:
    status = raw.get("status") or {}
    met = {
        c["type"]
        for c in status.get("conditions", [])
        if c["status"] == "True" and c["observedGeneration"] == raw["metadata"]["generation"]
    }
    return {"TopicsReady", "LedgerReady"} <= met


class Process:
    """The operator as its image runs it."""

    def __init__(self, where: Place, home: Path) -> None:
        [self._port] = free_ports(1)
        given = {
            "POD_NAME": "op-1",
            "POD_NAMESPACE": where.name,
            "METRICS_PORT": str(self._port),
            "LEASE_NAME": LEASE_NAME,
        }
        env = {f"DOUBLEGATE_OPERATOR_{name}": value for name, value in given.items()}
        with (home / "operator.log").open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "doublegate_operator"],
                env={**os.environ, **env, "KUBECONFIG": str(where.confined)},
                stderr=log,
            )

    def figures(self) -> dict[str, float]:
        """Calls of the API and memory so far."""
        page = requests.get(f"http://127.0.0.1:{self._port}/metrics", timeout=5).text
        calls = [
            sample.value
            for family in text_string_to_metric_families(page)
            for sample in family.samples
            if sample.name == "doublegate_operator_api_calls"
        ]
        return {
            "api_calls": calls[0],
            "memory_mib": psutil.Process(self._process.pid).memory_info().rss / MIB,
        }

    def end(self) -> None:
        """As by SIGTERM, and by SIGKILL when that does not help."""
        self._process.terminate()
        try:
            self._process.wait(20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait(10)


@contextmanager
def operator(where: Place, home: Path) -> Iterator[Process]:
    """One that runs while the block does."""
    process = Process(where, home)
    try:
        yield process
    finally:
        process.end()


def seconds(met: Callable[[], bool]) -> float:
    """How long it takes until that is so."""
    began = time.monotonic()
    eventually(met, SECONDS, 0.5)
    return time.monotonic() - began


def measure(
    bench: Bench, where: Place, home: Path, say: Callable[[str], None]
) -> dict[str, dict[str, float]]:
    """What the report says of each step."""
    found: dict[str, dict[str, float]] = {}

    def note(step: str, took: float, process: Process, before: float = 0.0) -> None:
        figures = process.figures()
        found[step] = {"seconds": took, **figures, "api_calls": figures["api_calls"] - before}
        say(f"{step}: {took:.1f} s")

    bench.apply("30s")
    say(f"{len(bench.names)} resources are there, and no operator")
    with operator(where, home) as process:
        note("cold", seconds(bench.reconciled), process)
    bench.apply("40s")
    say("the operator is gone, every resource has changed")
    with operator(where, home) as process:
        note("restart", seconds(bench.reconciled), process)
        before = process.figures()["api_calls"]
        bench.spoil()
        note("drift", seconds(bench.repaired), process, before)
        before = process.figures()["api_calls"]
        time.sleep(REST_SECONDS)
        note("rest", REST_SECONDS, process, before)
    return found


def show(console: Console, count: int, found: dict[str, dict[str, float]]) -> None:
    """The table."""
    titles = {
        "cold": f"{count} resources from nothing, the operator's start included",
        "restart": f"{count} changed resources after a restart, its start included",
        "drift": f"{min(DRIFTED, count)} changed objects repaired (wanted: within {REPAIR_SECONDS:.0f} s)",
        "rest": "nothing changes",
    }
    table = Table("step", "seconds", "calls of the API", "memory MiB", title="One operator process")
    for step, figures in found.items():
        numbers = (figures["seconds"], figures["api_calls"], figures["memory_mib"])
        table.add_row(titles[step], *(f"{number:,.1f}" for number in numbers))
    console.print(table)


def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.operators", description=__doc__)
    parser.add_argument("--resources", type=int, default=200, help="default: %(default)s")
    count = parser.parse_args().resources
    console = Console(width=120)
    begun = time.monotonic()

    def say(line: str) -> None:
        console.print(f"[dim]{time.monotonic() - begun:6.1f} s[/]  {line}", highlight=False)

    for build in (builds.ETCD, builds.KUBERNETES):
        builds.provide(build, say)
    with (
        TemporaryDirectory(prefix="doublegate-bench-") as folder,
        servers((Service.KAFKA, Service.VALKEY), say) as stack,
        ApiServer(Path(folder) / "server") as api,
    ):
        api.define(CRDS)
        where = place(api.kubeconfig, Path(folder))
        found = measure(Bench(where, stack.endpoints, count), where, Path(folder), say)
    show(console, count, found)
    out = ROOT / "build" / "operator.json"
    out.parent.mkdir(exist_ok=True)
    out.write_text(json.dumps({"machine": machine(), "resources": count, **found}, indent=2) + "\n")


if __name__ == "__main__":
    main()
