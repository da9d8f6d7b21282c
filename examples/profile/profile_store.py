"""The primary, the directory as it is read, and the save that feeds it; all of it blocks."""

from typing import Any, LiteralString

from profile_directory import TABLE, Profile
from psycopg import Connection
from psycopg.rows import class_row
from psycopg_pool import ConnectionPool

from doublegate import Producer
from doublegate.consistency import Token

_PRIMARY = (
    "CREATE TABLE IF NOT EXISTS profile (person text PRIMARY KEY, name text NOT NULL, about text NOT NULL)"
)
_SAVE = """
INSERT INTO profile (person, name, about) VALUES (%(person)s, %(name)s, %(about)s)
ON CONFLICT (person) DO UPDATE SET name = excluded.name, about = excluded.about
"""

Pool = ConnectionPool[Connection[Any]]


class ProfileStore:
    """Profiles in a primary database, and their directory in another one."""

    def __init__(self, primary: str, directory: str, producer: Producer, topic: str) -> None:
        self._primary = Pool(primary, min_size=1, max_size=4, open=True)
        self._directory = Pool(directory, min_size=1, max_size=4, open=True)
        self._producer = producer
        self._topic = topic
        for pool, table in ((self._primary, _PRIMARY), (self._directory, TABLE)):
            with pool.connection() as connection:
                connection.execute(table)

    def save(self, profile: Profile) -> Token:
        """Into the primary and onto the topic.

        The row's lock keeps a person's events in the order of their saves. A commit that fails after the
        event was written leaves the directory ahead of the primary; an outbox table would close that.
        """
        with self._primary.connection() as connection:
            connection.execute(_SAVE, profile.model_dump())
            return self._producer.write(
                self._topic, profile.model_dump_json().encode(), key=profile.person, timeout=5
            )

    def from_primary(self, person: str) -> Profile | None:
        """The profile as it was saved last."""
        return _one(self._primary, "SELECT person, name, about FROM profile WHERE person = %s", person)

    def from_directory(self, person: str) -> Profile | None:
        """The profile as far as the consumer is."""
        return _one(self._directory, "SELECT person, name, about FROM directory WHERE person = %s", person)

    def listing(self) -> dict[str, Profile]:
        """All that the directory has."""
        with (
            self._directory.connection() as connection,
            connection.cursor(row_factory=class_row(Profile)) as rows,
        ):
            found = rows.execute("SELECT person, name, about FROM directory ORDER BY person").fetchall()
        return {profile.person: profile for profile in found}

    def close(self) -> None:
        """Give the connections back."""
        self._primary.close()
        self._directory.close()


def _one(pool: Pool, query: LiteralString, person: str) -> Profile | None:
    with pool.connection() as connection, connection.cursor(row_factory=class_row(Profile)) as rows:
        return rows.execute(query, (person,)).fetchone()
