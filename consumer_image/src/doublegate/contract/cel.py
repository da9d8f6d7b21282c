"""The rules of `rules.py` as CEL, for the API server: it refuses what breaks them before anybody sees it.

Every rule there has one here, and both name the field. CEL's durations know no days, so what may name days is
compared by whole seconds; a fraction of a second between two of them is told by the models alone.
"""

from typing import NamedTuple

from doublegate.contract.units import parse_duration

__all__ = ["CONSUMER", "REPLAY", "Cel", "between"]

_DAY = 86_400
"""Seconds."""


class Cel(NamedTuple):
    """One rule.

    Attributes:
        at: the schema's node that it is evaluated on, from the resource on; `[]` for the items of a list.
        rule: true for a good one.
        message: names the field, and says what is allowed.
    """

    at: str
    rule: str
    message: str


def _seconds(text: str) -> str:
    return f"({text}.contains('d') ? {_with_days(text)} : duration({text}).getSeconds())"


def _with_days(text: str) -> str:
    day = f"{text}.indexOf('d')"
    rest = f"({text}.endsWith('d') ? 0 : duration({text}.substring({day} + 1)).getSeconds())"
    return f"int({text}.substring(0, {day})) * {_DAY} + {rest}"


def _immutable(at: str) -> Cel:
    return Cel(at, "self == oldSelf", f"{at} can't be changed: make a new resource for it")


CONSUMER = (
    Cel(
        "spec.handler",
        "has(self.python) != has(self.http)",
        "spec.handler: allowed: exactly one of python and http",
    ),
    Cel(
        "spec.retries",
        # initialBackoff is an hour at most.
        "self.maxBackoff.contains('d') || duration(self.maxBackoff) >= duration(self.initialBackoff)",
        "spec.retries.maxBackoff: allowed: at least initialBackoff",
    ),
    Cel(
        "spec.flow.concurrency",
        "self.max >= self.min",
        "spec.flow.concurrency.max: allowed: at least min",
    ),
    Cel(
        "spec.scaling",
        "self.maxReplicas >= self.minReplicas",
        "spec.scaling.maxReplicas: allowed: at least minReplicas",
    ),
    Cel(
        "spec.reprocess.ranges[]",
        "self.toOffset > self.fromOffset",
        "spec.reprocess.ranges: toOffset: allowed: more than fromOffset",
    ),
    Cel(
        "spec.kafka",
        "self.minInsyncReplicas <= self.replicationFactor",
        "spec.kafka.minInsyncReplicas: allowed: at most replicationFactor",
    ),
    Cel(
        "spec",
        "(has(self.dlq.topic) ? self.dlq.topic : self.kafka.group + '.dlq') != self.kafka.topic",
        "spec.dlq.topic: allowed: another topic than the source (kafka.topic), or it would feed itself",
    ),
    Cel(
        "spec.kafka",
        "self.topic != self.group + '.replay'",
        "spec.kafka.topic: allowed: another topic than <group>.replay, which carries this group's replays",
    ),
    Cel(
        "spec",
        "!has(self.dlq.topic) || self.dlq.topic != self.kafka.group + '.replay'",
        "spec.dlq.topic: allowed: another topic than <group>.replay, which carries this group's replays",
    ),
    Cel(
        "spec.identity",
        "(has(self.header) ? 1 : 0) + (self.cloudEvents ? 1 : 0) + (has(self.payloadField) ? 1 : 0) <= 1",
        "spec.identity: allowed: exactly one of header, cloudEvents and payloadField",
    ),
    Cel(
        "spec.identity",
        "self.conflictOn != 'None' || !has(self.conflictIgnore) || size(self.conflictIgnore) == 0",
        "spec.identity.conflictIgnore: allowed: nothing with conflictOn None, which compares no payload",
    ),
    Cel(
        "spec",
        "self.ledger.onUnavailable != 'Bypass' || has(self.inbox)",
        "spec.ledger.onUnavailable: allowed: Block, or Bypass with an inbox that keeps effects single",
    ),
    Cel(
        "spec",
        "self.ledger.onUnavailable != 'Bypass' || self.kafka.onFailure != 'ParkKey'",
        "spec.kafka.onFailure: allowed: Continue with onUnavailable Bypass: lines are the ledger's",
    ),
    Cel(
        "spec.ledger",
        "self.claim != 'PerPartition' || self.onUnknown == 'Retry'",
        "spec.ledger.onUnknown: allowed: Retry with claim PerPartition",
    ),
    Cel(
        "spec",
        "self.ledger.claim != 'PerPartition' || "
        f"{_seconds('self.filter.window')} >= {_seconds('self.ledger.ttl')}",
        "spec.filter.window: allowed: at least ledger.ttl with claim PerPartition",
    ),
    Cel(
        "spec",
        "self.ledger.claim != 'PerPartition' || !self.kafka.allowPartitionGrowth",
        "spec.kafka.allowPartitionGrowth: allowed: false with claim PerPartition, whose ids must stay in "
        "their partition",
    ),
    Cel(
        "spec",
        f"!has(self.inbox) || {_seconds('self.inbox.retention')} >= {_seconds('self.dlq.retention')}",
        "spec.inbox.retention: allowed: at least dlq.retention, or a replay could run twice",
    ),
    _immutable("spec.kafka.topic"),
    _immutable("spec.kafka.group"),
    _immutable("spec.identity"),
    _immutable("spec.ledger.url"),
)

REPLAY = (
    Cel("spec", "self == oldSelf", "spec can't be changed: a replay is made once; make a new one"),
    Cel(
        "spec.selector",
        "!has(self.failedAfter) || !has(self.failedBefore) || self.failedAfter < self.failedBefore",
        "spec.selector.failedBefore: allowed: later than failedAfter",
    ),
)


def between(at: str, lowest: str, highest: str, *, kind: str) -> Cel:
    """The range of a duration, of a byte size or of a number."""
    message = f"{at}: allowed: {lowest} to {highest}"
    if kind == "number":
        return Cel(at, f"self >= {float(lowest)} && self <= {float(highest)}", message)
    if kind == "quantity":
        value = "quantity(string(self))"
        low, high = f"quantity('{lowest}')", f"quantity('{highest}')"
        return Cel(at, f"{value}.compareTo({low}) >= 0 && {value}.compareTo({high}) <= 0", message)
    low, high = (f"{parse_duration(bound):.0f}" for bound in (lowest, highest))
    if highest.endswith("d"):
        days = f"{_with_days('self')} >= {low} && {_with_days('self')} <= {high}"
        highest = f"{high}s"
    else:
        days = "false"
    plain = f"duration(self) >= duration('{lowest}') && duration(self) <= duration('{highest}')"
    return Cel(at, f"self.contains('d') ? {days} : {plain}", message)
