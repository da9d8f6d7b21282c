"""Gate 3: a unique row per event in PostgreSQL, written in the transaction of the event's own effects."""

import time
import uuid
from collections.abc import Generator, Mapping, Sequence
from contextlib import suppress
from enum import Enum, auto
from typing import Any, NamedTuple, TypeVar

import psycopg
from psycopg import AsyncConnection, Connection

__all__ = ["Inbox", "Row", "Seen"]

_MIGRATION_LOCK = 0x646F75626C656761  # "doublega"
_SCHEMA = """
CREATE TABLE IF NOT EXISTS doublegate_inbox (
    scope text NOT NULL, key bytea NOT NULL, digest bytea NOT NULL,
    topic uuid NOT NULL, partition integer NOT NULL, "offset" bigint NOT NULL,
    performed_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (scope, key));
CREATE INDEX IF NOT EXISTS doublegate_inbox_age ON doublegate_inbox (scope, performed_at);
CREATE TABLE IF NOT EXISTS doublegate_watermark (
    scope text NOT NULL, topic uuid NOT NULL, partition integer NOT NULL, "offset" bigint NOT NULL,
    PRIMARY KEY (scope, topic, partition));
"""
# Ordered, so that two batches with common keys wait for each other instead of deadlocking. It waits for
# other transactions that have the key and are not over.
_INSERT = """
INSERT INTO doublegate_inbox (scope, key, digest, topic, partition, "offset")
SELECT %(scope)s, r.key, r.digest, r.topic, r.part, r.off
FROM unnest(%(keys)b::bytea[], %(digests)b::bytea[], %(topics)b::uuid[], %(parts)b::int[],
    %(offsets)b::bigint[]) AS r (key, digest, topic, part, off)
ORDER BY r.key
ON CONFLICT (scope, key) DO NOTHING RETURNING key
"""
_READ = "SELECT key, digest FROM doublegate_inbox WHERE scope = %(scope)s AND key = ANY(%(keys)b::bytea[])"
_FORGET = "DELETE FROM doublegate_inbox WHERE scope = %(scope)s AND key = ANY(%(keys)b::bytea[])"
_PRUNE = """
DELETE FROM doublegate_inbox WHERE ctid = ANY(ARRAY(
    SELECT ctid FROM doublegate_inbox
    WHERE scope = %(scope)s AND performed_at < now() - make_interval(secs => %(age)s)
    ORDER BY performed_at LIMIT %(limit)s FOR UPDATE SKIP LOCKED))
"""
_ADVANCE = """
INSERT INTO doublegate_watermark AS w (scope, topic, partition, "offset")
SELECT %(scope)s, r.topic, r.part, r.off
FROM unnest(%(topics)b::uuid[], %(parts)b::int[], %(offsets)b::bigint[]) AS r (topic, part, off)
ORDER BY r.topic, r.part
ON CONFLICT (scope, topic, partition) DO UPDATE SET "offset" = excluded."offset"
WHERE w."offset" < excluded."offset"
"""
_WATERMARKS = """SELECT topic, partition, "offset" FROM doublegate_watermark WHERE scope = %(scope)s"""

T = TypeVar("T")
Query = tuple[str, dict[str, Any]]
Steps = Generator[Query, list[tuple[Any, ...]], T]


class Row(NamedTuple):
    """One event: key (16 bytes), payload digest (8 bytes), and where it was read (topic's uuid, 16 bytes)."""

    key: bytes
    digest: bytes
    topic: bytes
    partition: int
    offset: int


class Seen(Enum):
    """What the inbox says of one event."""

    FRESH = auto()
    """Nobody performed it; its row is written with this transaction."""
    DUPLICATE = auto()
    """Performed, with the same payload."""
    CONFLICT = auto()
    """The id was performed with another payload."""
    UNSURE = auto()
    """Its row went while we looked, or it is in this batch twice; ask again."""


class Inbox:
    """The inbox of one scope. Its methods take a connection and leave the transaction to the caller.

    Args:
        scope: whose "once" it is.
        retention: seconds that rows live: as long as source and DLQ retain.
    """

    def __init__(self, scope: str, retention: float) -> None:
        self._scope = scope
        self._retention = retention

    def migrate(self, connection: Connection[Any]) -> None:
        """Create the tables where they are missing; any number of processes may do it at once.

        A role without the right to create needs none when the tables are there.
        """
        with connection.transaction():
            found = "SELECT to_regclass('doublegate_inbox'), to_regclass('doublegate_watermark')"
            if None not in (connection.execute(found).fetchone() or (None,)):
                return
            connection.execute("SELECT pg_advisory_xact_lock(%s)", (_MIGRATION_LOCK,))
            connection.execute(_SCHEMA)

    def fresh(self, connection: Connection[Any], rows: Sequence[Row]) -> list[Seen]:
        """Write the rows that are new; says of each what it is, in the order of `rows`."""
        steps = self._fresh(rows)
        try:
            query = next(steps)
            while True:
                query = steps.send(connection.execute(*query, binary=True).fetchall())
        except StopIteration as end:
            return list(end.value)

    async def fresh_async(self, connection: AsyncConnection[Any], rows: Sequence[Row]) -> list[Seen]:
        """`fresh` on an event loop."""
        steps = self._fresh(rows)
        try:
            query = next(steps)
            while True:
                query = steps.send(await (await connection.execute(*query, binary=True)).fetchall())
        except StopIteration as end:
            return list(end.value)

    def forget(self, keys: Sequence[bytes]) -> Query:
        """The statement that takes back rows of this transaction whose events failed after all."""
        return _FORGET, {"scope": self._scope, "keys": list(keys)}

    def settle(self, conninfo: str, rows: Sequence[Row], seconds: float) -> list[Seen] | None:
        """What became of rows whose COMMIT got no answer, asked on connections of its own.

        It tries to write them again and rolls back: that waits for the lost transaction if it still lives,
        where a mere look would miss a commit that comes through later.

        Returns:
            FRESH for rows that are proven not committed; None when it can't be known within `seconds`.
        """
        deadline = time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0:
            # connect_timeout counts whole seconds, 2 at least
            with (
                suppress(psycopg.OperationalError),
                psycopg.connect(conninfo, connect_timeout=max(2, int(left))) as connection,
            ):
                connection.execute("SELECT set_config('lock_timeout', %s, true)", (f"{int(left * 1000)}ms",))
                seen = self.fresh(connection, rows)
                connection.rollback()
                return seen
            time.sleep(min(0.1, max(0.0, deadline - time.monotonic())))
        return None

    def prune(self, connection: Connection[Any], limit: int = 5000) -> int:
        """Delete up to `limit` rows older than the retention; returns how many there were."""
        parameters = {"scope": self._scope, "age": self._retention, "limit": limit}
        return connection.execute(_PRUNE, parameters).rowcount

    def advance(self, connection: Connection[Any], watermarks: Mapping[tuple[bytes, int], int]) -> None:
        """Raise the highest contiguous finished offset by (topic, partition); it never goes back."""
        names = list(watermarks)
        topics = [uuid.UUID(bytes=topic) for topic, _ in names]
        parts = [partition for _, partition in names]
        offsets = list(watermarks.values())
        parameters = {"scope": self._scope, "topics": topics, "parts": parts, "offsets": offsets}
        connection.execute(_ADVANCE, parameters)

    def watermarks(self, connection: Connection[Any]) -> dict[tuple[bytes, int], int]:
        """The highest contiguous finished offset of each (topic, partition)."""
        rows = connection.execute(_WATERMARKS, {"scope": self._scope}).fetchall()
        return {(topic.bytes, partition): offset for topic, partition, offset in rows}

    def _fresh(self, rows: Sequence[Row]) -> "Steps[list[Seen]]":
        if not rows:
            return []
        keys, digests, topics, parts, offsets = map(list, zip(*rows, strict=True))
        uuids = {topic: uuid.UUID(bytes=topic) for topic in set(topics)}
        written = yield (
            _INSERT,
            {
                "scope": self._scope,
                "keys": keys,
                "digests": digests,
                "topics": [uuids[topic] for topic in topics],
                "parts": parts,
                "offsets": offsets,
            },
        )
        new = {key for (key,) in written}
        known: dict[bytes, bytes] = {}
        if len(new) < len(rows):
            others = [key for key in keys if key not in new]
            known = dict((yield _READ, {"scope": self._scope, "keys": others})) if others else {}
        verdicts: list[Seen] = []
        for row in rows:
            if row.key in new:
                new.discard(row.key)
                verdicts.append(Seen.FRESH)
            elif row.key in known:
                same = known[row.key] == row.digest
                verdicts.append(Seen.DUPLICATE if same else Seen.CONFLICT)
            else:
                verdicts.append(Seen.UNSURE)
        return verdicts
