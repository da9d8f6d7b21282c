"""An API server in memory, and parts that answer what a test says."""

# ruff: noqa: ARG002 - a fake takes what the real one does

from __future__ import annotations

import contextlib
import copy
import itertools
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from doublegate_operator.core.facts import (
    Binding,
    Failure,
    KafkaFacts,
    LatestSchema,
    LedgerFacts,
    PodFacts,
    RegistryFacts,
    TopicFacts,
)
from doublegate_operator.core.wanted import CreateTopic, GrowTopic
from doublegate_operator.shell.kinds import CONSUMER, EVENT, OPTIONAL, Kind
from doublegate_operator.shell.kube import NotServed, Refused
from doublegate_operator.shell.listing import selector_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence

    from doublegate.contract.resource import IdempotentConsumer
    from doublegate_operator.core.topics import TopicChange
    from doublegate_operator.core.wanted import BindGroup, SetCompatibility
    from doublegate_operator.shell.parts import Alive
    from doublegate_operator.shell.view import View

Raw = dict[str, Any]


class FakeKube:
    """What `Kube` does, on a dict.

    Attributes:
        writes: what was written, as "verb Kind name".
        refuses: kinds that may not be applied.
        absent: kinds that are not served.
        calls: how many there were.
    """

    def __init__(self) -> None:
        self.objects: dict[tuple[Kind, str, str], Raw] = {}
        self.writes: list[str] = []
        self.refuses: set[Kind] = set()
        self.forbidden: set[Kind] = set()
        self.absent: set[Kind] = set()
        self.calls = 0
        self._versions = itertools.count(1)
        self._last = 0

    async def get(self, kind: Kind, namespace: str, name: str) -> Raw | None:
        self.calls += 1
        return copy.deepcopy(self.objects.get((kind, namespace, name)))

    async def list(
        self, kind: Kind, namespace: str | None, selector: Mapping[str, str] | None = None
    ) -> tuple[list[Raw], int]:
        self.calls += 1
        if kind in self.absent:
            raise NotServed(str(kind))
        if kind in self.forbidden:
            raise Refused(f"The API server does not let the operator list {kind}: forbidden")
        found = [
            _as_listed(kind, raw)
            for (of, where, _), raw in self.objects.items()
            if of == kind
            and namespace in (None, where)
            and (selector or {}).items() <= (raw["metadata"].get("labels") or {}).items()
        ]
        return found, self._last

    async def apply(self, kind: Kind, manifest: Raw) -> Raw:
        self.calls += 1
        if kind in self.refuses:
            raise Refused(f"The API server does not let the operator apply {kind}: quota exceeded")
        meta = manifest["metadata"]
        self.writes.append(f"apply {kind} {meta['name']}")
        former = self.objects.get((kind, meta["namespace"], meta["name"]), {})
        return self.put(kind, _merged(former, manifest))

    async def delete(self, kind: Kind, namespace: str, name: str) -> None:
        self.calls += 1
        self.writes.append(f"delete {kind} {name}")
        self.objects.pop((kind, namespace, name), None)
        self._last = next(self._versions)

    async def write_status(self, kind: Kind, of: Raw, status: Raw) -> Raw | None:
        self.calls += 1
        meta = of["metadata"]
        former = self.objects.get((kind, meta["namespace"], meta["name"]))
        if former is None or former["metadata"]["uid"] != meta["uid"]:
            return None
        self.writes.append(f"status {kind} {meta['name']}")
        return self.put(kind, {**former, "status": copy.deepcopy(status)})

    async def create(self, kind: Kind, manifest: Raw) -> Raw:
        self.calls += 1
        return self.put(kind, manifest)

    async def merge(self, kind: Kind, namespace: str, name: str, change: Raw) -> Raw | None:
        self.calls += 1
        former = self.objects.get((kind, namespace, name))
        return None if former is None else self.put(kind, _merged(former, change))

    async def alive(self, namespace: str, name: str, uid: str) -> bool | None:
        found = self.objects.get((CONSUMER, namespace, name))
        return found is not None and found["metadata"]["uid"] == uid

    def put(self, kind: Kind, raw: Raw) -> Raw:
        """Somebody writes an object; a new version only when it differs."""
        meta = raw["metadata"]
        where = (kind, meta["namespace"], meta["name"])
        former = self.objects.get(where)
        made = copy.deepcopy(raw)
        made["metadata"].setdefault("uid", former["metadata"]["uid"] if former else f"uid-{meta['name']}")
        made["metadata"].pop("resourceVersion", None)
        if former is not None:
            version = former["metadata"]["resourceVersion"]
            if {**former, "metadata": {**former["metadata"], "resourceVersion": None}} == {
                **made,
                "metadata": {**made["metadata"], "resourceVersion": None},
            }:
                return copy.deepcopy({**made, "metadata": {**made["metadata"], "resourceVersion": version}})
        self._last = next(self._versions)
        made["metadata"]["resourceVersion"] = str(self._last)
        self.objects[where] = made
        return copy.deepcopy(made)

    def events(self) -> list[str]:
        """Reasons of the Events, in order."""
        return [raw["reason"] for (kind, _, _), raw in self.objects.items() if kind is EVENT]


def _as_listed(kind: Kind, raw: Raw) -> Raw:
    """Lists of built-in kinds don't repeat at each item what kind it is."""
    listed = copy.deepcopy(raw)
    if "." not in kind.group or kind.group.endswith(".k8s.io"):
        listed.pop("apiVersion", None)
        listed.pop("kind", None)
    return listed


@dataclass
class FakeParts:
    """Kafka, registry and ledger as a test says."""

    topics: dict[str, TopicFacts] = field(default_factory=dict)
    binding: Binding | None = None
    compatibility: str | None = "BACKWARD"
    latest: LatestSchema | None = None
    kafka_failure: Failure | None = None
    ledger_failure: Failure | None = None
    change_failure: Failure | None = None
    surprise: Exception | None = None
    fingerprints: dict[str, str | None] = field(default_factory=dict)
    done: list[object] = field(default_factory=list)

    @contextlib.asynccontextmanager
    async def secrets(
        self, consumer: IdempotentConsumer
    ) -> AsyncIterator[tuple[Path, Mapping[str, str | None]]]:
        yield Path("/nowhere"), self.fingerprints

    async def observe_kafka(self, consumer: IdempotentConsumer, root: Path) -> KafkaFacts | Failure:
        if self.surprise:
            raise self.surprise
        return self.kafka_failure or KafkaFacts(dict(self.topics), 3, lag=0, committed=0)

    async def change_topics(
        self, consumer: IdempotentConsumer, root: Path, changes: Sequence[TopicChange]
    ) -> Failure | None:
        if self.change_failure:
            return self.change_failure
        for change in changes:
            self.done.append(change)
            if isinstance(change, CreateTopic):
                facts = TopicFacts(change.partitions, change.replication_factor, change.config)
            elif isinstance(change, GrowTopic):
                facts = replace(self.topics[change.name], partitions=change.partitions)
            else:
                former = self.topics[change.name]
                facts = replace(former, config={**former.config, **change.config})
            self.topics[change.name] = facts
        return None

    async def observe_registry(
        self, consumer: IdempotentConsumer, root: Path
    ) -> RegistryFacts | Failure | None:
        return None if consumer.spec.schema_ is None else RegistryFacts(self.compatibility, self.latest)

    async def set_compatibility(
        self, consumer: IdempotentConsumer, root: Path, change: SetCompatibility
    ) -> Failure | None:
        self.done.append(change)
        self.compatibility = change.level
        return None

    async def observe_ledger(
        self, consumer: IdempotentConsumer, root: Path, alive: Alive
    ) -> LedgerFacts | Failure:
        binding = self.binding
        if binding is not None:
            there = await alive(binding.namespace, binding.name, binding.uid)
            binding = replace(binding, alive=there)
        return self.ledger_failure or LedgerFacts(binding, "noeviction")

    async def bind_group(self, consumer: IdempotentConsumer, root: Path, bind: BindGroup) -> Failure | None:
        self.done.append(bind)
        meta = consumer.metadata
        self.binding = Binding(bind.uid, meta.namespace, meta.name, alive=True)
        return None

    async def observe_pods(self, pods: Sequence[Mapping[str, Any]]) -> tuple[PodFacts, ...]:
        return tuple(PodFacts(pod["metadata"]["name"], ready=True) for pod in pods)


def resource(generation: int = 1, uid: str = "u-1", name: str = "payments", **spec: Any) -> Raw:
    """An IdempotentConsumer as the API server has it."""
    whole = {
        "image": "registry.example/payments:1",
        "handler": {"python": "shop.payments:charge"},
        "kafka": {"bootstrapServers": "kafka:9092", "topic": "payments", "group": "shop"},
        "filter": {"expectedRate": 100},
        "scaling": {"initialRate": 100},
    }
    return {
        "apiVersion": CONSUMER.api_version,
        "kind": CONSUMER.kind,
        "metadata": {"name": name, "namespace": "shop", "uid": uid, "generation": generation},
        "spec": {**whole, **spec},
    }


def see_all(kube: FakeKube, view: View) -> None:
    """The watches tell of everything."""
    kinds = {kind for kind, _, _ in kube.objects}
    for kind in kinds | set(view.served):
        labels = selector_of(kind).items()
        items = [
            _as_listed(kind, raw)
            for (of, _, _), raw in kube.objects.items()
            if of == kind and labels <= (raw["metadata"].get("labels") or {}).items()
        ]
        view.listed(kind, None, items, kube._last)
    view.served = frozenset(view.served | kinds | (set(OPTIONAL) - kube.absent))


def _merged(former: Any, change: Any) -> Any:
    if not isinstance(former, dict) or not isinstance(change, dict):
        return copy.deepcopy(change)
    made = dict(former)
    for key, value in change.items():
        made[key] = _merged(former.get(key), value)
    return made
