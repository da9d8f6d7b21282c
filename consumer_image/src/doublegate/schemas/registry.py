"""The schema registry, with every wait bounded.

confluent-kafka's client has no timeout by default and retries with sleeps of seconds; a consumer's worker
would hang in it. Here a lookup fails after `timeout`, and for `negative_ttl` every further one fails at once:
an outage is not a stampede, and the breaker above decides how often to try.
"""

import time
from collections.abc import Callable, Mapping
from threading import Lock
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from confluent_kafka.schema_registry import Schema, SchemaRegistryClient, SchemaRegistryError

from doublegate.schemas.errors import Incompatible, SchemaUnavailable
from doublegate.schemas.formats import Reader, reader_of

__all__ = ["Registry"]

_NOT_FOUND = 404
_REFUSED = (409, 422)
_REMEMBERED = 1000


class Registry:
    """One registry; safe to share between threads.

    Args:
        url: base URL of the Confluent API (`http://host:8080/apis/ccompat/v7`).
        timeout: seconds that one request may take.
        negative_ttl: seconds for which a failed lookup is remembered.
        config: more of the client's properties (TLS, credentials).
        clock: monotonic seconds; a test's own.
    """

    def __init__(
        self,
        url: str,
        *,
        timeout: float = 3.0,
        negative_ttl: float = 1.0,
        config: Mapping[str, Any] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.name = _without_credentials(url)
        self.client = SchemaRegistryClient(
            {"max.retries": 0, "timeout": timeout, **(config or {}), "url": url}
        )
        self._negative_ttl = negative_ttl
        self._clock = clock
        self._lock = Lock()
        self._readers: dict[int, Reader] = {}
        self._unusable: dict[int, tuple[float, str]] = {}
        self._away: tuple[float, str] = (float("-inf"), "")

    def reader(self, schema_id: int) -> Reader:
        """What reads payloads written with this schema; looked up and parsed once.

        Raises:
            SchemaUnavailable: the id is unknown there, the registry does not answer, or what it holds
                can't be used.
        """
        reader = self._readers.get(schema_id)
        return reader if reader is not None else self._look_up(schema_id)

    def _look_up(self, schema_id: int) -> Reader:
        with self._lock:
            if (reader := self._readers.get(schema_id)) is not None:
                return reader
            for until, why in (self._away, self._unusable.get(schema_id, self._away)):
                if self._clock() < until:
                    raise SchemaUnavailable(why)
            try:
                schema = self.client.get_schema(schema_id)
            except SchemaRegistryError as error:
                if error.http_status_code != _NOT_FOUND:
                    raise self._gone(error) from error
                raise self._remember(schema_id, "is unknown there") from error
            except Exception as error:  # the client passes its transport's errors on
                raise self._gone(error) from error
            try:
                reader = reader_of(schema, self.client)
            except Exception as error:  # each format's library has its own
                raise self._remember(schema_id, f"can't be used: {error}") from error
            self._readers[schema_id] = reader
            return reader

    def _remember(self, schema_id: int, why: str) -> SchemaUnavailable:
        text = f"schema id {schema_id} of the registry {self.name} {why}"
        if len(self._unusable) >= _REMEMBERED:  # broken payloads make up any number of ids
            self._unusable.clear()
        self._unusable[schema_id] = (self._clock() + self._negative_ttl, text)
        return SchemaUnavailable(text)

    def register(
        self, subject: str, schema: str, kind: str = "AVRO", compatibility: str | None = None
    ) -> int:
        """Register a schema; registering it again gives the same id.

        Args:
            subject: usually `<topic>-value`.
            schema: the schema's text.
            kind: AVRO, JSON or PROTOBUF.
            compatibility: the level the subject shall have; None leaves it.

        Returns:
            The schema's id.

        Raises:
            Incompatible: the registry refuses it; names subject, level and the registry's reason.
            SchemaUnavailable: the registry does not answer.
        """
        try:
            late = compatibility is not None and not self._set_level(subject, compatibility)
            schema_id = self.client.register_schema(subject, Schema(schema, kind))
            if late and compatibility is not None:
                self.client.set_compatibility(subject, compatibility)
        except SchemaRegistryError as error:
            if error.http_status_code in _REFUSED:
                raise Incompatible(subject, self.level(subject), error.error_message) from error
            raise self._gone(error) from error
        except Exception as error:
            raise self._gone(error) from error
        return schema_id

    def _set_level(self, subject: str, level: str) -> bool:
        """Set the compatibility; False when the subject has to be there first."""
        try:
            self.client.set_compatibility(subject, level)
        except SchemaRegistryError as error:
            if error.http_status_code == _NOT_FOUND:
                return False
            raise
        return True

    def level(self, subject: str) -> str:
        """The compatibility level in force for `subject`, "unknown" when it can't be had."""
        for name in (subject, None):
            try:
                return str(self.client.get_compatibility(name))
            except Exception:  # noqa: BLE001, S112 - it only explains another error
                continue
        return "unknown"

    def check(self) -> str | None:
        """What is wrong with the registry, None when it answers; for a readiness probe."""
        try:
            self.client.get_compatibility(None)
        except SchemaRegistryError as error:
            return None if error.http_status_code == _NOT_FOUND else str(self._gone(error))
        except Exception as error:  # noqa: BLE001
            return str(self._gone(error))
        return None

    def close(self) -> None:
        """Close the connections."""
        self.client.close()

    def _gone(self, error: Exception) -> SchemaUnavailable:
        what = str(error) or type(error).__name__
        why = f"the schema registry {self.name} does not answer: {what}"
        self._away = (self._clock() + self._negative_ttl, why)
        return SchemaUnavailable(why)


def _without_credentials(url: str) -> str:
    parts = urlsplit(url)
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))
