"""The versions of a subject that a registry holds."""

from base64 import b64encode
from collections.abc import Callable
from typing import TypeVar

from confluent_kafka.schema_registry import Schema as RegistrySchema
from confluent_kafka.schema_registry import SchemaRegistryError

from doublegate.contract.kafka_spec import Compatibility
from doublegate.evolution.errors import CannotCheck
from doublegate.evolution.levels import Version
from doublegate.evolution.schema import Format, Schema, read_schema
from doublegate.schemas import Registry

__all__ = ["Registered", "label_of", "read_registered"]

T = TypeVar("T")
_NOT_FOUND = 404
_SECONDS = 30.0
"""For one request: a registry that has just started is slow, and nobody's event waits here."""


def label_of(number: int) -> str:
    """What reports call a registered version."""
    return f"registry version {number}"


def read_registered(found: RegistrySchema, label: str) -> Schema:
    """Parse what a registry holds.

    Raises:
        CannotCheck: it is no schema of ours, or it refers to others.
    """
    if found.references:
        raise CannotCheck(f"{label} refers to other subjects, which is not judged; let the registry judge it")
    kind = (found.schema_type or Format.AVRO).upper()
    if kind not in list(Format):
        raise CannotCheck(f"{label} is of the format {kind}; only {', '.join(Format)} are judged")
    return read_schema(found.schema_str or "", Format(kind), label)


class Registered:
    """A registry, as the checks use it.

    Args:
        url: base URL of its Confluent API; may hold user and password.

    Raises:
        CannotCheck: it is no URL.
    """

    def __init__(self, url: str) -> None:
        try:
            self._registry = Registry(url, timeout=_SECONDS)
        except ValueError as error:
            raise CannotCheck(
                "the registry's address is no http:// or https:// URL; correct it (--registry)"
            ) from error

    def versions(self, subject: str) -> list[Version]:
        """Every version, newest first; none when it does not know the subject.

        Raises:
            CannotCheck: it does not answer, or a version can't be read.
        """
        return [self._version(subject, number) for number in reversed(self.numbers(subject))]

    def numbers(self, subject: str) -> list[int]:
        """The numbers of its versions, oldest first."""
        none: list[int] = []
        return sorted(self._ask(lambda: self._registry.client.get_versions(subject), none))

    def subjects(self) -> list[str]:
        """All that it knows."""
        none: list[str] = []
        return sorted(self._ask(self._registry.client.get_subjects, none))

    def level(self, subject: str) -> str:
        """The compatibility in force for a subject."""
        return self._registry.level(subject)

    def register(self, subject: str, schema: Schema, level: Compatibility) -> int:
        """Register a schema under its level, and return its id.

        A Protobuf file is registered as its serialised descriptor, which consumers can decode with.

        Raises:
            Incompatible: the registry refuses it.
            SchemaUnavailable: it does not answer.
        """
        text = schema.text
        if schema.format is Format.PROTOBUF:
            text = b64encode(schema.tree.SerializeToString()).decode()
        return self._registry.register(subject, text, schema.format, level)

    def _version(self, subject: str, number: int) -> Version:
        found = self._ask(lambda: self._registry.client.get_version(subject, number), None)
        label = label_of(number)
        if found is None:
            raise CannotCheck(f"{subject}: {label} is listed and not there; try again")
        return Version(label, read_registered(found.schema, f"{subject}: {label}"))

    def _ask(self, request: Callable[[], T], absent: T) -> T:
        try:
            return request()
        except SchemaRegistryError as error:
            if error.http_status_code == _NOT_FOUND:
                return absent
            what = f"HTTP {error.http_status_code}: {error.error_message}"
        except Exception as error:  # noqa: BLE001 - the client passes its transport's errors on
            what = str(error) or type(error).__name__
        raise CannotCheck(
            f"the schema registry {self._registry.name} does not answer: {what}; start it, correct "
            "--registry, or leave it out to check against Git alone"
        )
