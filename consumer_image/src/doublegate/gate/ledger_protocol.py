"""What every ledger can do: the real one, and the model in memory that tests and dry runs use."""

from collections.abc import Sequence
from typing import Protocol

from doublegate.gate.ledger_types import (
    Assignment,
    Claims,
    Completions,
    Entry,
    Exchange,
    ExchangeResult,
    LedgerSettings,
    LedgerStats,
    ReassertResult,
    SessionStatus,
    TopicPartition,
)

__all__ = ["LedgerApi"]


class LedgerApi(Protocol):
    """Gate 2. Every call may raise `LedgerUnavailable` (again later) or `LedgerMisconfigured` (never)."""

    settings: LedgerSettings

    @property
    def round_trips(self) -> int:
        """How often a node was waited for."""

    def register(self, owner: bytes) -> str:
        """Open, or open again, the owner's session; also forgets sessions over for more than a day.

        Returns:
            The data's name: another one when data was lost, or may have been, as by a failover.
        """

    def renew(self, owner: bytes) -> SessionStatus:
        """The heartbeat; a session that is over is not revived."""

    def retire(self, owner: bytes) -> None:
        """End the session now: what it still holds may be taken over, as unknown."""

    def take_epochs(self, partitions: Sequence[TopicPartition]) -> list[int]:
        """Fence every earlier holder of the partitions; returns the new epochs in their order."""

    def exchange(self, exchange: Exchange) -> ExchangeResult:
        """Complete, fail, release and claim whole batches, in one round trip per node.

        Raises:
            LedgerFull: claims were refused at full memory; the rest was recorded.
            LedgerUnderReplicated: fewer than `min_replicas_acked` replicas have it.
        """

    def park(self, rows: Sequence[tuple[bytes, bytes]]) -> None:
        """Put events at the end of their lines: (the line's digest, the event's key), in their order."""

    def unpark(self, rows: Sequence[tuple[bytes, bytes]]) -> None:
        """Take events out of their lines: they are DONE, or nobody wants them any more."""

    def read_watermarks(self, partitions: Sequence[TopicPartition]) -> list[int | None]:
        """Highest contiguous finished offsets, None where there is none."""

    def read_grants(self, partitions: Sequence[TopicPartition]) -> list[int | None]:
        """Highest offsets that may have started, None where there is none."""

    def keep_snapshot(self, partition: TopicPartition, snapshot: bytes, seconds: float) -> None:
        """Keep a partition's filter for its next owner, for so long."""

    def read_snapshot(self, partition: TopicPartition) -> bytes | None:
        """What the partition's last owner kept."""

    def reassert(
        self,
        owner: bytes,
        assignments: Sequence[Assignment],
        held: Claims,
        done: Completions,
        unknown: Sequence[bool] | None = None,
    ) -> ReassertResult:
        """After a loss of data: put back session, epochs, held claims and recent DONE.

        `unknown` marks held rows whose effect may have happened in an earlier attempt. What somebody else
        holds or finished meanwhile stays as it is; DONE ends any claim.
        """

    def inspect(self, key: bytes) -> Entry | None:
        """The entry of one key."""

    def identity(self) -> str:
        """Changes when the server restarted or was replaced, so that writes may be missing."""

    def stats(self) -> LedgerStats:
        """The server's figures."""
