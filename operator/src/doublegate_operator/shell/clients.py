"""All real parts together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from doublegate.contract.resource import IdempotentConsumer
from doublegate_operator.core.facts import Failure, KafkaFacts, LedgerFacts, PodFacts, RegistryFacts
from doublegate_operator.core.topics import TopicChange
from doublegate_operator.core.wanted import BindGroup, SetCompatibility
from doublegate_operator.shell import kafka, ledger, pods, registry
from doublegate_operator.shell.parts import Alive, Secrets
from doublegate_operator.shell.secrets import SecretFolder, SecretReader

__all__ = ["Clients"]


class Clients:
    """`Parts`, asked anew for each look: no connection outlives it, and so no old password.

    Args:
        reader: of the Secrets.
    """

    def __init__(self, reader: SecretReader) -> None:
        self._reader = reader

    def secrets(self, consumer: IdempotentConsumer) -> Secrets:
        """The Secrets that the resource names."""
        return SecretFolder(self._reader, consumer)

    async def observe_kafka(self, consumer: IdempotentConsumer, root: Path) -> KafkaFacts | Failure:
        """Topics and lag."""
        return await kafka.observe_kafka(consumer, root)

    async def change_topics(
        self, consumer: IdempotentConsumer, root: Path, changes: Sequence[TopicChange]
    ) -> Failure | None:
        """Make and change topics."""
        return await kafka.change_topics(consumer, root, changes)

    async def observe_registry(
        self, consumer: IdempotentConsumer, root: Path
    ) -> RegistryFacts | Failure | None:
        """The subject; None when the resource names no registry."""
        return await registry.observe_registry(consumer, root)

    async def set_compatibility(
        self, consumer: IdempotentConsumer, root: Path, change: SetCompatibility
    ) -> Failure | None:
        """Set the subject's level."""
        return await registry.set_compatibility(consumer, root, change)

    async def observe_ledger(
        self, consumer: IdempotentConsumer, root: Path, alive: Alive
    ) -> LedgerFacts | Failure:
        """Whose the group is."""
        return await ledger.observe_ledger(consumer, root, alive)

    async def bind_group(self, consumer: IdempotentConsumer, root: Path, bind: BindGroup) -> Failure | None:
        """Make it ours."""
        return await ledger.bind_group(consumer, root, bind)

    async def observe_pods(self, given: Sequence[Mapping[str, Any]]) -> tuple[PodFacts, ...]:
        """What they say on `/status`."""
        return await pods.observe_pods(given)
