"""What a look asks and changes outside Kubernetes: Kafka, registry, ledger, the pods' own answers."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any, Protocol

from doublegate.contract.resource import IdempotentConsumer
from doublegate_operator.core.facts import Failure, KafkaFacts, LedgerFacts, PodFacts, RegistryFacts
from doublegate_operator.core.topics import TopicChange
from doublegate_operator.core.wanted import BindGroup, SetCompatibility

__all__ = ["Alive", "Parts", "Secrets"]

Secrets = AbstractAsyncContextManager[tuple[Path, Mapping[str, str | None]]]
"""The referenced Secrets as files, and the fingerprint of each; gone when it is left."""

Alive = Callable[[str, str, str], Awaitable[bool | None]]
"""Namespace, name, uid: whether that IdempotentConsumer exists; None when nobody may look."""


class Parts(Protocol):
    """A part that is away is a `Failure`, or silence; nothing is raised for it."""

    def secrets(self, consumer: IdempotentConsumer) -> Secrets:
        """The Secrets that the resource names."""

    async def observe_kafka(self, consumer: IdempotentConsumer, root: Path) -> KafkaFacts | Failure:
        """Topics and lag."""

    async def change_topics(
        self, consumer: IdempotentConsumer, root: Path, changes: Sequence[TopicChange]
    ) -> Failure | None:
        """Make and change topics."""

    async def observe_registry(
        self, consumer: IdempotentConsumer, root: Path
    ) -> RegistryFacts | Failure | None:
        """The subject; None when the resource names no registry."""

    async def set_compatibility(
        self, consumer: IdempotentConsumer, root: Path, change: SetCompatibility
    ) -> Failure | None:
        """Set the subject's level."""

    async def observe_ledger(
        self, consumer: IdempotentConsumer, root: Path, alive: Alive
    ) -> LedgerFacts | Failure:
        """Whose the group is."""

    async def bind_group(self, consumer: IdempotentConsumer, root: Path, bind: BindGroup) -> Failure | None:
        """Make it ours."""

    async def observe_pods(self, pods: Sequence[Mapping[str, Any]]) -> tuple[PodFacts, ...]:
        """What they say on `/status`."""
