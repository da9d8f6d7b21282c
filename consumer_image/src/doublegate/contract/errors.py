"""What can be wrong with a resource, a secret or a dead letter; every message names cause and next step."""

from collections.abc import Sequence
from dataclasses import dataclass

__all__ = [
    "BrokenDeadLetter",
    "DoublegateError",
    "InvalidConsumer",
    "InvalidReplay",
    "InvalidResource",
    "Problem",
    "SecretUnavailable",
    "Unsupported",
]


class DoublegateError(Exception):
    """Base of every error that Doublegate raises on purpose."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong with a resource.

    Attributes:
        path: the field, dotted and in camelCase as in the YAML (`spec.flow.concurrency.min`); empty when it
            is the file as a whole.
        text: what was given and what is allowed, without any secret.
    """

    path: str
    text: str

    def __str__(self) -> str:
        return f"{self.path}: {self.text}" if self.path else self.text


class InvalidResource(DoublegateError):
    """A resource that is not valid; the message has one line per problem.

    Attributes:
        source: the file, or what else the resource was read from.
        problems: all of them, in the order of the resource.
    """

    def __init__(self, source: str, problems: Sequence[Problem]) -> None:
        self.source = source
        self.problems = tuple(problems)
        super().__init__("\n".join(f"{source}: {problem}" for problem in self.problems))


class InvalidConsumer(InvalidResource):
    """An IdempotentConsumer that is not valid."""


class InvalidReplay(InvalidResource):
    """A DeadLetterReplay that is not valid."""


class Unsupported(DoublegateError):
    """A value that the resource allows and this build does not carry out; it is never accepted and ignored.

    Attributes:
        field: dotted camelCase path and value (`spec.kafka.onFailure: ParkKey`).
        instead: what to use.
    """

    def __init__(self, field: str, instead: str) -> None:
        self.field = field
        self.instead = instead
        super().__init__(f"{field} is not carried out by this build yet; {instead}")


class SecretUnavailable(DoublegateError):
    """A secret that a connection needs is not there or not readable; the message names the file."""


class BrokenDeadLetter(DoublegateError):
    """A record whose `dg-dlq-*` headers are missing or do not parse; the message names the header."""
