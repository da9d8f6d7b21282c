"""What is around a look at a resource of either kind, and how its status is written."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from doublegate.contract.consumer_status import Written
from doublegate_operator.core.settings import OperatorSettings
from doublegate_operator.shell.events import Events
from doublegate_operator.shell.kinds import Kind
from doublegate_operator.shell.kube import Kube
from doublegate_operator.shell.metrics import Metrics
from doublegate_operator.shell.parts import Parts
from doublegate_operator.shell.view import Raw, View

__all__ = ["Around"]


def _now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class Around:
    """The parts of the shell that looks share.

    Attributes:
        kube: the API.
        view: what the cluster has.
        parts: everything else.
        events: where Events go.
        settings: that plans depend on.
        metrics: what is counted.
        now: the time; a test's own.
    """

    kube: Kube
    view: View
    parts: Parts
    events: Events
    settings: OperatorSettings
    metrics: Metrics
    now: Callable[[], datetime] = _now

    async def write_status(self, kind: Kind, resource: Raw, status: Written) -> Raw | None:
        """Write it when it is another one.

        Returns:
            The resource with what the API server kept of it; None when nothing was written.
        """
        body = status.model_dump(mode="json", by_alias=True, exclude_none=True)
        if body == resource.get("status"):
            return None
        written = await self.kube.write_status(kind, resource, body)
        if written is not None:
            self.view.seen(kind, written)
        return written
