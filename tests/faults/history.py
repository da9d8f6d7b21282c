"""What lies outside of the consumers after a run: the checker's only source, besides what they named."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tests.faults.plan import Schedule

__all__ = ["Call", "History", "Letter", "Sent"]


@dataclass(frozen=True, slots=True)
class Sent:
    """A record that the brokers have: where, and its headers."""

    id: str
    key: str
    number: int
    partition: int
    offset: int
    headers: tuple[tuple[str, bytes], ...]


@dataclass(frozen=True, slots=True)
class Call:
    """One call that performed its effect, as the far side or the database keeps it; monotonic seconds.

    Attributes:
        id: of the event.
        started: when the lease was looked at for it.
        at: when it arrived (rows: when it started).
        owner: who.
        pid: its process.
        epoch: that it was claimed under.
        replay: it came over the replay topic.
    """

    id: str
    started: float
    at: float
    owner: str
    pid: int
    epoch: int
    record_key: str
    partition: int
    offset: int
    attempt: int
    unknown: bool
    replay: bool
    number: int


@dataclass(frozen=True, slots=True)
class Letter:
    """A dead letter."""

    id: str
    reason: str
    partition: int
    offset: int
    headers: tuple[tuple[str, bytes], ...]


@dataclass
class History:
    """A run's.

    Attributes:
        schedule: that was run.
        sent: what the brokers acknowledged.
        aborted: ids of an aborted transaction.
        calls: every effect that was performed, in the order of arrival.
        repeated: calls that the far side recognised by their key.
        letters: all dead letters.
        unread: records that the group's commit does not pass, by topic.
        named: ids of unknown outcome, and how often the consumers named each.
        suspects: ids that the consumers named as in doubt after the ledger lost data.
        stops: the errors of engines that stopped, none of which may.
        doubts: events that they counted as in doubt.
        after_replay: how many calls there were before the second replay of the DLQ, and after it.
        after_reread: the same for reading the whole topic again; None where that was not done.
        replayed_ids: what the first replay sent.
        killed: (when, pid) of processes that were killed or paused.
        incidents: what happened when, for the report.
        ledger_lost: a fault took acknowledged writes from the ledger.
        seconds: how long it took.
        drained: seconds from the last fault's end to the last commit.
    """

    schedule: Schedule
    sent: list[Sent] = field(default_factory=list)
    aborted: set[str] = field(default_factory=set)
    calls: list[Call] = field(default_factory=list)
    repeated: int = 0
    letters: list[Letter] = field(default_factory=list)
    unread: dict[str, int] = field(default_factory=dict)
    named: dict[str, int] = field(default_factory=dict)
    suspects: dict[str, int] = field(default_factory=dict)
    stops: list[str] = field(default_factory=list)
    doubts: int = 0
    after_replay: tuple[int, int] = (0, 0)
    after_reread: tuple[int, int] | None = None
    replayed_ids: list[str] = field(default_factory=list)
    killed: list[tuple[float, int]] = field(default_factory=list)
    incidents: list[tuple[float, str]] = field(default_factory=list)
    ledger_lost: bool = False
    seconds: float = 0.0
    drained: float = 0.0
    began: float = 0.0

    def call(self, fields: dict[str, Any]) -> Call:
        """A call as it was written down."""
        return Call(
            id=fields["id"],
            started=fields["started"],
            at=fields.get("at", fields["started"]),
            owner=fields["owner"],
            pid=fields["pid"],
            epoch=fields["epoch"],
            record_key=fields["record_key"],
            partition=fields["partition"],
            offset=fields["offset"],
            attempt=fields["attempt"],
            unknown=fields["unknown"],
            replay=fields["topic"] == "replay",
            number=fields["digest"],
        )
