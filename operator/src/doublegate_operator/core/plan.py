"""The plan of a resource: what to do next, and what to say of it.

What is done depends on what is known:

* The resource is refused (a filter too large, a group taken, a Secret missing): nothing is touched at all,
  what runs goes on as it is, and the status says what a person has to do.
* Kafka is away: nothing in the cluster is touched. The number of partitions decides on the pods' memory and
  on their most, and a guess could move both.
* The ledger is away: nothing is started, for the group may be another's. A workload that is there was given
  its group, so it goes on being kept up, scale-out's freeze included.
* The registry is away: pods are kept up all the same. They wait for it by themselves and lose nothing.
* The subject's latest schema has fields that the pods can't read: those that run are kept up, and no others
  are made unless they are paused. Topics and the subject's level are as specified all the same.

In each case the condition of that part is False with cause and next step, and it is tried again.
"""

from __future__ import annotations

from datetime import datetime

from doublegate.contract.consumer_status import ConsumerStatus
from doublegate.contract.resource import IdempotentConsumer
from doublegate_operator.core.events import events
from doublegate_operator.core.facts import Failure, KafkaFacts, Observed
from doublegate_operator.core.look import look_at
from doublegate_operator.core.objects import objects
from doublegate_operator.core.reasons import ConditionType
from doublegate_operator.core.refusal import refused
from doublegate_operator.core.settings import OperatorSettings
from doublegate_operator.core.status import parse_time
from doublegate_operator.core.summary import status_of
from doublegate_operator.core.wanted import Object, Plan

__all__ = ["plan", "refused"]

_AGAIN = 30.0
_SOON = 2.0


def plan(consumer: IdempotentConsumer, observed: Observed, settings: OperatorSettings) -> Plan:
    """What the shell shall do now, from the present state alone."""
    look, former = look_at(consumer, observed, settings), observed.status
    status = status_of(look)
    again = _again(status, observed.now)
    ours = observed.workload is not None or not isinstance(observed.ledger, Failure)
    if look.halt is not None or look.ledger.bind is not None or not ours:
        # A binding comes first and alone: somebody may be quicker.
        bind = look.ledger.bind if look.halt is None else None
        said = events(former, status, (), None, look.warning)
        return Plan(status=status, bind=bind, events=said, again=again, changing=bind is not None)
    kafka, scaling = observed.kafka, look.scaling
    wanted: tuple[Object, ...] = ()
    if scaling is not None and isinstance(kafka, KafkaFacts) and not look.held:
        wanted = objects(consumer, look.workload, scaling, kafka)
    topics, compatibility = look.topics.changes, look.schema.change
    return Plan(
        status=status,
        topics=topics,
        compatibility=compatibility,
        objects=wanted,
        apply=bool(wanted),
        prune=bool(wanted),
        events=events(former, status, topics, compatibility, look.warning),
        again=again,
        changing=bool(topics) or compatibility is not None,
    )


def _again(status: ConsumerStatus, now: datetime) -> float:
    """At once after a change, and less often the longer it lasts."""
    ready = next(c for c in status.conditions if c.type == ConditionType.READY)
    since = parse_time(ready.last_transition_time) or now
    if ready.status == "True":
        return _AGAIN
    return min(_AGAIN, max(_SOON, (now - since).total_seconds() / 2))
