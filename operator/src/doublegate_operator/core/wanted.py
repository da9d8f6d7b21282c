"""What the shell shall do: the output of `plan`."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from doublegate.contract.consumer_status import ConsumerStatus
    from doublegate_operator.core.reasons import Reason

__all__ = [
    "BindGroup",
    "CreateTopic",
    "Event",
    "GrowTopic",
    "Object",
    "Plan",
    "SetCompatibility",
    "SetTopicConfig",
]

Object = dict[str, Any]
"""A manifest, complete for server-side apply: what it does not name is not ours."""


@dataclass(frozen=True, slots=True)
class CreateTopic:
    """A topic that is missing."""

    name: str
    partitions: int
    replication_factor: int
    config: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class GrowTopic:
    """More partitions for a topic."""

    name: str
    partitions: int


@dataclass(frozen=True, slots=True)
class SetTopicConfig:
    """Settings of a topic that differ; the others stay (incremental alter)."""

    name: str
    config: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class SetCompatibility:
    """The subject's level in the registry."""

    subject: str
    level: str


@dataclass(frozen=True, slots=True)
class BindGroup:
    """Write into the ledger whose the group is.

    Attributes:
        uid: of the resource that gets it.
        former: the uid that must stand there now, compare-and-set; None for nobody's.
    """

    uid: str
    former: str | None


@dataclass(frozen=True, slots=True)
class Event:
    """A Kubernetes Event about the resource."""

    type: str
    """Normal or Warning."""
    reason: Reason
    message: str


@dataclass(frozen=True, slots=True)
class Plan:
    """What to do, in this order; the status is written in any case.

    Attributes:
        bind: the group, before anything else is touched.
        topics: changes in Kafka.
        compatibility: change in the registry.
        objects: to apply, when `apply` is true.
        apply: false leaves everything in the cluster as it is: the resource is refused, or a part that the
            decision needs is away.
        prune: whether owned objects that are not in `objects` are deleted; only ever true with `apply`.
        status: to write, whole.
        events: to post.
        again: seconds until the next look, whatever happens.
        changing: something here is changed in Kafka, the registry or the ledger, so look again at once.
    """

    status: ConsumerStatus
    bind: BindGroup | None = None
    topics: tuple[CreateTopic | GrowTopic | SetTopicConfig, ...] = ()
    compatibility: SetCompatibility | None = None
    objects: tuple[Object, ...] = ()
    apply: bool = False
    prune: bool = False
    events: tuple[Event, ...] = ()
    again: float = 30.0
    changing: bool = field(default=False)
