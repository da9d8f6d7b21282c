"""Applied positions out of the inbox: rows of the transactions that the effects themselves were written in.

Ask the very database that is read from, a physical replica of it too: what it says of an event is then true
of everything else that it shows.
"""

import uuid
from collections.abc import Callable, Sequence
from typing import Any, Final

import psycopg
from psycopg import Connection
from psycopg_pool import ConnectionPool

from doublegate.consistency.positions import STORE_SECONDS, PositionsUnavailable, Progress
from doublegate.consistency.token import Token
from doublegate.gate.keys import Keyspace

__all__ = ["InboxPositions"]

# One statement, so one snapshot: a watermark that passed an event can't be seen without the event's row.
_QUERY: Final = """
SELECT i.key IS NOT NULL, w."offset"
FROM unnest(%(keys)b::bytea[], %(topics)b::uuid[], %(parts)b::int[])
    WITH ORDINALITY AS t (key, topic, part, n)
LEFT JOIN doublegate_inbox AS i ON i.scope = %(scope)s AND i.key = t.key
LEFT JOIN doublegate_watermark AS w
    ON w.scope = %(scope)s AND w.topic = t.topic AND w.partition = t.part
ORDER BY t.n
"""


class InboxPositions:
    """How far a group is, by its inbox; connects when it is first asked, and reads only.

    Args:
        conninfo: of the database with the inbox's tables.
        group: the consumer group.
        topic_ids: topic names to uuids (`TopicIds`).
    """

    def __init__(self, conninfo: str, group: str, topic_ids: Callable[[str], bytes | None]) -> None:
        settings = {"autocommit": True, "connect_timeout": 2}
        self._pool: ConnectionPool[Connection[Any]] = ConnectionPool(
            conninfo,
            min_size=0,
            max_size=8,
            timeout=STORE_SECONDS,
            reconnect_timeout=STORE_SECONDS,  # or attempts back off, and a database that is back is not seen
            kwargs=settings,
            name="consistency",
            open=False,
        )
        self._group = group
        self._keys = Keyspace(group)
        self._topic_ids = topic_ids

    def progress(self, tokens: Sequence[Token]) -> list[Progress]:
        """See `AppliedPositions`.

        A position that the watermark passed without a row is a dead letter's, or older than the inbox keeps.

        Raises:
            PositionsUnavailable: the database does not answer, or has no inbox yet.
        """
        topics = [self._topic_ids(token.topic) for token in tokens]
        parameters = {
            "scope": self._group,
            "keys": [self._keys.key(token.event_id.encode()) for token in tokens],
            "topics": [None if topic is None else uuid.UUID(bytes=topic) for topic in topics],
            "parts": [token.partition for token in tokens],
        }
        try:
            self._pool.open()
            with self._pool.connection() as connection:
                rows = connection.execute(_QUERY, parameters, binary=True).fetchall()
        except psycopg.Error as error:
            raise PositionsUnavailable(
                f"the inbox's database does not answer: {str(error).strip()}"
            ) from error
        return [
            _progress(token, performed=row[0], mark=row[1]) for token, row in zip(tokens, rows, strict=True)
        ]

    def close(self) -> None:
        """Give the connections back."""
        self._pool.close()


def _progress(token: Token, *, performed: bool, mark: int | None) -> Progress:
    if performed:
        return Progress.APPLIED
    return Progress.PENDING if mark is None or mark < token.offset else Progress.REFUSED
