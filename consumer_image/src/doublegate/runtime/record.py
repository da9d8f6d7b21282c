"""One Kafka record on its way through the runtime."""

from enum import IntEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from confluent_kafka import Message

    from doublegate.contract.headers import Headers
    from doublegate.runtime.outcome import Attempt
    from doublegate.runtime.partition import Partition

__all__ = ["Record", "Stage"]


class Stage(IntEnum):
    """How far a record has come; from RUNNING on its effect may have started."""

    DROPPED = 0
    """Its partition was given up before it started."""
    WAITING = 1
    """In the reservoir, unclaimed."""
    ASKED = 2
    """Its claim is being asked for, or is parked."""
    CLAIMED = 3
    """It may start."""
    RUNNING = 4
    """A worker has it."""
    SETTLING = 5
    """It ended; its DONE or its dead letter is being acknowledged."""


class Record:
    """A record that passed the local gates and waits for, or has, its effect.

    Millions pass through a process: slots, plain attributes, no methods.

    Attributes:
        partition: the assignment it belongs to.
        offset: its Kafka offset.
        message: the client's message (payload, key, headers stay there until somebody asks).
        headers: decoded once, since the client decodes them at each call.
        event_id: the event id as sent.
        key: 16 bytes, the ledger's digest of (scope, id).
        digest: 8 bytes, the payload's digest.
        epoch: the fencing number that it was claimed under.
        lane: index of the lane that keeps its order.
        size: bytes it holds in the reservoir.
        replay: it came over the group's replay topic.
        attempt: attempts begun so far.
        crashes: owners that died with a claim on it.
        unknown: an earlier attempt's outcome is unknown.
        suspected: the filter may have seen its id.
        proven: the warm filter proves that its id is new (PerPartition): it needs a grant, and no claim.
        parked: it is the first of its key's line (ParkKey), and leaves it when it is DONE.
        order: the order that it runs again under; empty for none.
        finished: its offset may be passed.
        stage: how far it has come.
        claimless: it goes to the DLQ without a claim of its own (a conflict).
        result: the end of the attempt that ran last, or the reason for which none may run.
    """

    __slots__ = (
        "attempt",
        "claimless",
        "crashes",
        "digest",
        "epoch",
        "event_id",
        "finished",
        "headers",
        "key",
        "lane",
        "message",
        "offset",
        "order",
        "parked",
        "partition",
        "proven",
        "replay",
        "result",
        "size",
        "stage",
        "suspected",
        "unknown",
    )

    def __init__(
        self,
        partition: "Partition",
        offset: int,
        message: "Message",
        headers: "Headers",
        event_id: bytes,
        key: bytes,
        digest: bytes,
        lane: int,
        size: int,
        replay: bool,
    ) -> None:
        self.partition = partition
        self.offset = offset
        self.message = message
        self.headers = headers
        self.event_id = event_id
        self.key = key
        self.digest = digest
        self.lane = lane
        self.size = size
        self.stage = Stage.WAITING
        self.replay = replay
        self.epoch = 0
        self.attempt = 0
        self.crashes = 0
        self.unknown = False
        self.suspected = False
        self.proven = False
        self.parked = False
        self.order = ""
        self.finished = False
        self.claimless = False
        self.result: Attempt | None = None
