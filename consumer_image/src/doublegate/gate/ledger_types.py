"""The words and columns of the ledger's interface, shared by the real one and the model in memory.

A batch travels as columns: row i of every column belongs together. Keys are 16 bytes, digests 8
(eight zero bytes: not compared, `conflictOn: None`), owners 8 random bytes, times seconds.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from doublegate.contract.states import EntryState
from doublegate.gate.keys import NO_DIGEST
from doublegate.gate.ledger_outcomes import ClaimOutcome, CompletionOutcome, FailureOutcome, SessionStatus

__all__ = [
    "LINE_EVENTS",
    "NO_DIGEST",
    "Assignment",
    "ClaimOutcome",
    "Claims",
    "CompletionOutcome",
    "Completions",
    "Entry",
    "Exchange",
    "ExchangeResult",
    "FailureOutcome",
    "Failures",
    "History",
    "LedgerSettings",
    "LedgerStats",
    "Position",
    "ReassertResult",
    "Releases",
    "SessionStatus",
    "TopicPartition",
]

LINE_EVENTS = 64
"""Of a line's events an answer names so many: who stands further back waits anyway."""

TopicPartition = tuple[bytes, int]
"""Topic uuid (16 bytes) and partition."""


@dataclass(frozen=True, slots=True)
class Assignment:
    """A partition held under an epoch.

    Attributes:
        topic: uuid of the topic, 16 bytes.
        partition: its number.
        epoch: the fencing number from `take_epochs`.
    """

    topic: bytes
    partition: int
    epoch: int


@dataclass(frozen=True, slots=True)
class Claims:
    """Rows to claim; `partitions` are indices into `Exchange.assignments`, `replays` None means none is.

    `unknown` marks rows that a former owner's grant covers, so that their effect may have happened: where
    nothing stands their claim bears the mark, as if it were taken over.
    """

    keys: Sequence[bytes] = ()
    digests: Sequence[bytes] = ()
    partitions: Sequence[int] = ()
    offsets: Sequence[int] = ()
    replays: Sequence[bool] | None = None
    unknown: Sequence[bool] | None = None


@dataclass(frozen=True, slots=True)
class Completions:
    """Rows whose effect is a fact; `granted`: they ran under a grant, so MISSING is the plain case too."""

    keys: Sequence[bytes] = ()
    digests: Sequence[bytes] = ()
    granted: bool = False


@dataclass(frozen=True, slots=True)
class Failures:
    """Rows whose dead letter is acknowledged.

    `partitions` index the assignment that the row was claimed under, `attempts` counts all attempts so
    far (at most 255 are kept), `unknown` marks rows whose effect may have happened.
    """

    keys: Sequence[bytes] = ()
    partitions: Sequence[int] = ()
    attempts: Sequence[int] = ()
    unknown: Sequence[bool] | None = None


@dataclass(frozen=True, slots=True)
class Releases:
    """Claims to give back: before their start, or (`unknown`) after an attempt whose outcome is unknown."""

    keys: Sequence[bytes] = ()
    partitions: Sequence[int] = ()
    unknown: Sequence[bool] | None = None


@dataclass(frozen=True, slots=True)
class Exchange:
    """Everything one owner has to say at once.

    Attributes:
        owner: who says it.
        assignments: what the rows' `partitions` point at; a stale one may stand here for its failures.
        watermarks: (assignment index, highest contiguous finished offset).
        grants: (assignment index, highest offset that may start); fenced. The last one said stands.
        lines: keys of lines that are asked for, see `ExchangeResult.lines`.
    """

    owner: bytes
    assignments: Sequence[Assignment] = ()
    completions: Completions = field(default_factory=Completions)
    failures: Failures = field(default_factory=Failures)
    releases: Releases = field(default_factory=Releases)
    claims: Claims = field(default_factory=Claims)
    watermarks: Sequence[tuple[int, int]] = ()
    grants: Sequence[tuple[int, int]] = ()
    lines: Sequence[bytes] = ()


@dataclass(frozen=True, slots=True)
class History:
    """What a held claim inherits: attempts and crashes before it, and whether an effect may have happened."""

    attempt: int
    crashes: int
    unknown: bool


@dataclass(frozen=True, slots=True)
class ExchangeResult:
    """What the ledger answered.

    Attributes:
        session: this owner's lease.
        claims: one `ClaimOutcome` value per claimed row.
        histories: by row of the claims, for rows that are held and not new.
        completions: by row, `CompletionOutcome` where it is not OWN.
        failures: by row, `FailureOutcome` where it is not OK.
        releases: by row, `FailureOutcome` where it is not OK.
        fenced: indices of assignments whose epoch is not the newest.
        lost: the server lost data (session, marker or an epoch is gone): re-assert before anything else.
        retried: some of it was sent twice, so ALREADY does not prove a second effect.
        lines: of the lines that were asked for and hold events, the keys of the first `LINE_EVENTS` in order,
            and an empty one after them where there are more.
    """

    session: SessionStatus
    claims: bytes = b""
    histories: dict[int, History] = field(default_factory=dict)
    completions: dict[int, CompletionOutcome] = field(default_factory=dict)
    failures: dict[int, FailureOutcome] = field(default_factory=dict)
    releases: dict[int, FailureOutcome] = field(default_factory=dict)
    fenced: frozenset[int] = frozenset()
    lost: bool = False
    retried: bool = False
    lines: dict[bytes, tuple[bytes, ...]] = field(default_factory=dict)

    @property
    def all_new(self) -> bool:
        """Every claimed row is NEW, the common case."""
        return not any(self.claims)


@dataclass(frozen=True, slots=True)
class ReassertResult:
    """Indices of claims that were not restored: held or finished by somebody else, or fenced."""

    refused: tuple[int, ...] = ()
    fenced: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True)
class Position:
    """Where a record is: the first 8 bytes of its topic's uuid, partition, offset."""

    topic: bytes
    partition: int
    offset: int


@dataclass(frozen=True, slots=True)
class Entry:
    """What the ledger holds for one key.

    Attributes:
        state: CLAIMED, DONE or FAILED.
        digest: of the payload.
        owner: of the claim; None when nobody holds it.
        epoch: that it was claimed under.
        position: of the record that holds or failed it; None when DONE.
        attempt: attempts that ended before this claim (CLAIMED), or all (FAILED).
        crashes: owners that died with it.
        unknown: an effect may have happened.
        ttl: seconds to live; None where nothing expires.
    """

    state: EntryState
    digest: bytes
    owner: bytes | None = None
    epoch: int = 0
    position: Position | None = None
    attempt: int = 0
    crashes: int = 0
    unknown: bool = False
    ttl: float | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class LedgerSettings:
    """How the ledger behaves; times in seconds.

    Attributes:
        session: lease of an owner; no longer than the group's session timeout.
        claim_ttl: life of CLAIMED: more than the retention of the source and the DLQ together.
        done_ttl: life of DONE.
        failed_ttl: life of FAILED, and of DONE after FAILED or unknown: the DLQ's retention.
        crashes: owners that may die with an event before it is EXHAUSTED.
        min_replicas_acked: replicas that must acknowledge each exchange; 0 does not wait.
        replica_timeout: how long to wait for them.
        buckets: hash tags, 1 to 16; None: 1 on a single server, 16 on a cluster. Fixed by the first use.
    """

    session: float = 10.0
    claim_ttl: float = 28 * 86400.0
    done_ttl: float = 3600.0
    failed_ttl: float = 14 * 86400.0
    crashes: int = 3
    min_replicas_acked: int = 0
    replica_timeout: float = 1.0
    buckets: int | None = None


@dataclass(frozen=True, slots=True)
class LedgerStats:
    """The server's own figures; keys of every scope on it count.

    Attributes:
        keys: number of keys.
        used_bytes: memory in use.
        max_bytes: its limit; 0 is none.
        evicted: keys it threw away; anything but 0 means that it forgot events.
    """

    keys: int
    used_bytes: int
    max_bytes: int
    evicted: int
