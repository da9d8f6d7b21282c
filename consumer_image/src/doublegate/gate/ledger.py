"""Gate 2, the ledger: Redis or Valkey, one entry per event id, changed only by atomic scripts.

The runtime talks to it in batches: one `exchange` completes the last batch and claims the next in one
round trip per node. What every step finds and does is the table in docs/protocol.md; the model of it in plain
Python is `doublegate.gate.memory_ledger`, and one specification tests both.
"""

import secrets
from collections.abc import Sequence
from typing import Any, Final, Self

from xxhash import xxh3_64_hexdigest

from doublegate.gate.ledger_calls import milliseconds
from doublegate.gate.ledger_codec import CLAIM_BYTES, decode_entry, field_of, pack_claims
from doublegate.gate.ledger_errors import (
    LedgerFull,
    LedgerMisconfigured,
    LedgerUnavailable,
    LedgerUnderReplicated,
)
from doublegate.gate.ledger_exchange import Answer, ask
from doublegate.gate.ledger_keys import MAX_BUCKETS, ScopeKeys
from doublegate.gate.ledger_link import Call, Link
from doublegate.gate.ledger_packer import KeyBatch
from doublegate.gate.ledger_scripts import HOLD, PARK, RAISE, REGISTER, TAKE, UNPARK, Script
from doublegate.gate.ledger_server import check_server, server_identity, server_stats
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

__all__ = ["Ledger"]

LAYOUT_VERSION: Final = 1
TAKE_TRIES: Final = 8


class Ledger:
    """The ledger of one scope; thread-safe, several owners may use one instance.

    Args:
        link: the way to the servers.
        scope: whose "once" it is.
        settings: times and limits.
    """

    def __init__(self, link: Link, scope: str, settings: LedgerSettings | None = None) -> None:
        self.settings = settings or LedgerSettings()
        self._link = link
        self._keys = ScopeKeys.of(scope, self.settings.buckets or (MAX_BUCKETS if link.is_cluster else 1))
        self._markers: dict[bytes, tuple[bytes, ...]] = {}

    @classmethod
    def connect(cls, url: str, scope: str, settings: LedgerSettings | None = None, **options: Any) -> Self:
        """Connect, check the server, load the scripts.

        Args:
            url: `redis://`, `rediss://` or `unix://`; a cluster is recognised.
            scope: whose "once" it is.
            settings: times and limits.
            options: keyword arguments of redis-py's connections (password, TLS, timeouts in seconds).

        Raises:
            LedgerUnavailable: try again later.
            LedgerMisconfigured: a server older than 7.0, or one that refuses us.
        """
        link = Link.open(url, **options)
        check_server(link)
        link.load_scripts()
        return cls(link, scope, settings)

    @property
    def round_trips(self) -> int:
        """Round trips to the servers so far."""
        return self._link.round_trips

    def close(self) -> None:
        """Give the connections back; sessions stay until they expire."""
        self._link.close()

    def register(self, owner: bytes) -> str:
        """Open, or open again, the owner's session; also forgets sessions over for more than a day.

        Returns:
            The data's name: another one when data was lost, or may have been, as by a failover.
        """
        layout = b"%d:%d" % (LAYOUT_VERSION, self._keys.buckets)
        args = (owner, milliseconds(self.settings.session), secrets.token_bytes(8), layout)
        calls = [
            Call(REGISTER, KeyBatch((self._keys.sessions(bucket),)), args)
            for bucket in range(self._keys.buckets)
        ]
        replies = self._link.run(calls).values
        for _, found in replies:
            if found != layout:
                raise LedgerMisconfigured(
                    f"this ledger's data was written with layout {found.decode()} (version:buckets), "
                    f"not {layout.decode()}: set buckets as before, or every event would look new"
                )
        markers = self._markers[owner] = tuple(marker for marker, _ in replies)
        return xxh3_64_hexdigest(b"".join((self.identity().encode(), *markers)))

    def renew(self, owner: bytes) -> SessionStatus:
        """The heartbeat; a session that is over is not revived."""
        return self._ask(Exchange(owner), everywhere=True).result.session

    def retire(self, owner: bytes) -> None:
        """End the session now: what it still holds may be taken over, as unknown."""
        for bucket in range(self._keys.buckets):
            self._link.hash_delete(self._keys.sessions(bucket), owner)

    def take_epochs(self, partitions: Sequence[TopicPartition]) -> list[int]:
        """Fence every earlier holder of the partitions; returns the new epochs in their order.

        Bucket 0 decides; the others learn it by maximum, so that whoever took last wins everywhere.
        Where one of them knows a higher epoch than bucket 0 does (its node lost data, or its clock is
        behind), the epoch is taken again above it.
        """
        floors = [0] * len(partitions)
        for _ in range(TAKE_TRIES):
            taken = self._take(partitions, floors)
            highest = self._raise(partitions, taken)
            if highest == taken:
                return taken
            fields = [field_of(*partition) for partition in partitions]
            known = self._link.hash_get(self._keys.epochs(0), fields)
            ahead = [top > int(first or 0) for top, first in zip(highest, known, strict=True)]
            if not any(ahead):
                return taken
            floors = highest
        raise LedgerUnavailable("epochs are taken faster than they can be made known; take them again")

    def exchange(self, exchange: Exchange) -> ExchangeResult:
        """Complete, fail, release and claim whole batches, in one round trip per node.

        Raises:
            LedgerFull: claims were refused at full memory; the rest was recorded.
            LedgerUnderReplicated: fewer than `min_replicas_acked` replicas have it.
            LedgerUnavailable: send it again later.
            LedgerMisconfigured: sending it again won't help.
        """
        answer = self._ask(exchange)
        if answer.refused:
            raise LedgerFull(answer.result)
        wanted = self.settings.min_replicas_acked
        if answer.acked is not None and answer.acked < wanted:
            raise LedgerUnderReplicated(answer.acked, wanted, answer.result)
        return answer.result

    def park(self, rows: Sequence[tuple[bytes, bytes]]) -> None:
        """Put events, known by their keys, at the end of their lines; one that is there keeps its place.

        Args:
            rows: (the line's digest, the event's key), in their order.
        """
        ttl = (milliseconds(self.settings.failed_ttl),)
        self._link.run([self._line_call(PARK, mine, ttl) for mine in self._lines(rows)])

    def unpark(self, rows: Sequence[tuple[bytes, bytes]]) -> None:
        """Take events out of their lines: they are DONE, or nobody wants them any more."""
        self._link.run([self._line_call(UNPARK, mine, ()) for mine in self._lines(rows)])

    def read_watermarks(self, partitions: Sequence[TopicPartition]) -> list[int | None]:
        """Highest contiguous finished offsets, None where there is none."""
        return self._offsets(self._keys.watermarks(0), partitions)

    def read_grants(self, partitions: Sequence[TopicPartition]) -> list[int | None]:
        """Highest offsets that may have started, None where there is none."""
        return self._offsets(self._keys.grants(0), partitions)

    def keep_snapshot(self, partition: TopicPartition, snapshot: bytes, seconds: float) -> None:
        """Keep a partition's filter for its next owner, for so long."""
        self._link.put(self._keys.snapshot(field_of(*partition)), snapshot, seconds)

    def read_snapshot(self, partition: TopicPartition) -> bytes | None:
        """What the partition's last owner kept."""
        return self._link.get(self._keys.snapshot(field_of(*partition)))[0]

    def reassert(
        self,
        owner: bytes,
        assignments: Sequence[Assignment],
        held: Claims,
        done: Completions,
        unknown: Sequence[bool] | None = None,
    ) -> ReassertResult:
        """After a loss of data: put back session, epochs, held claims and recent DONE.

        A held claim is a fact about this process, so it is put back under a stale epoch too.
        """
        self.register(owner)
        topics = [(assignment.topic, assignment.partition) for assignment in assignments]
        highest = self._raise(topics, [assignment.epoch for assignment in assignments])
        fenced = frozenset(
            index for index, assignment in enumerate(assignments) if highest[index] != assignment.epoch
        )
        self._ask(Exchange(owner, completions=done))
        refused: list[int] = []
        values = pack_claims(owner, assignments, held, unknown) if held.keys else b""
        for bucket, rows in enumerate(self._keys.rows(held.keys)):
            if rows:
                batch = KeyBatch(
                    (self._keys.sessions(bucket),),
                    self._keys.prefixes[bucket],
                    ([held.keys[row] for row in rows],),
                )
                mine = b"".join(values[row * CLAIM_BYTES : (row + 1) * CLAIM_BYTES] for row in rows)
                call = Call(HOLD, batch, (owner, milliseconds(self.settings.claim_ttl), mine))
                refused += [rows[row] for row in self._link.run([call]).values[0]]
        return ReassertResult(tuple(sorted(refused)), fenced)

    def inspect(self, key: bytes) -> Entry | None:
        """The entry of one key."""
        value, ttl = self._link.get(self._keys.entry(key))
        return None if value is None else decode_entry(value, ttl / 1000 if ttl >= 0 else None)

    def identity(self) -> str:
        """Changes when a server restarted or was replaced, so that writes may be missing."""
        return server_identity(self._link)

    def stats(self) -> LedgerStats:
        """The servers' figures."""
        return server_stats(self._link)

    def _ask(self, exchange: Exchange, *, everywhere: bool = False) -> Answer:
        markers = self._markers.get(exchange.owner, ())
        return ask(self._link, self._keys, self.settings, exchange, markers, everywhere=everywhere)

    def _take(self, partitions: Sequence[TopicPartition], floors: Sequence[int]) -> list[int]:
        args = [
            word
            for partition, floor in zip(partitions, floors, strict=True)
            for word in (field_of(*partition), b"%d" % floor)
        ]
        reply = self._link.run([Call(TAKE, KeyBatch((self._keys.epochs(0),)), tuple(args))]).values[0]
        return [int(epoch) for epoch in reply]

    def _raise(self, partitions: Sequence[TopicPartition], epochs: Sequence[int]) -> list[int]:
        """Make epochs known in every bucket; returns the highest that stands for each."""
        args = tuple(
            word
            for partition, epoch in zip(partitions, epochs, strict=True)
            for word in (field_of(*partition), b"%d" % epoch)
        )
        calls = [Call(RAISE, KeyBatch((self._keys.epochs(b),)), args) for b in range(self._keys.buckets)]
        standing = self._link.run(calls).values
        return [max(int(reply[index]) for reply in standing) for index in range(len(partitions))]

    def _lines(self, rows: Sequence[tuple[bytes, bytes]]) -> list[list[tuple[bytes, bytes]]]:
        """The rows of each bucket that has any."""
        spread = self._keys.rows([line for line, _ in rows])
        return [[rows[row] for row in mine] for mine in spread if mine]

    def _line_call(
        self, script: Script, rows: Sequence[tuple[bytes, bytes]], args: tuple[bytes, ...]
    ) -> Call:
        lines, events = [line for line, _ in rows], [event for _, event in rows]
        bucket = self._keys.bucket(lines[0])
        batch = KeyBatch((self._keys.sessions(bucket),), self._keys.lines(bucket), (lines,))
        return Call(script, batch, (*args, *events))

    def _offsets(self, name: bytes, partitions: Sequence[TopicPartition]) -> list[int | None]:
        if not partitions:
            return []
        found = self._link.hash_get(name, [field_of(*partition) for partition in partitions])
        return [None if offset is None else int(offset) for offset in found]
