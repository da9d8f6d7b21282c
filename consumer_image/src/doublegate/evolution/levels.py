"""A new version of a schema against earlier ones, at a compatibility level."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from doublegate.contract.kafka_spec import Compatibility
from doublegate.evolution.avro import avro_clashes
from doublegate.evolution.clash import Clash, Direction, Rule
from doublegate.evolution.errors import CannotCheck
from doublegate.evolution.json_schema import json_clashes
from doublegate.evolution.protobuf import protobuf_clashes
from doublegate.evolution.schema import Format, Schema

__all__ = ["Finding", "Version", "clashes", "compare", "directions", "within"]


@dataclass(frozen=True, slots=True)
class Version:
    """An earlier version.

    Attributes:
        label: where it comes from: `commit 1a2b3c4`, `registry version 3`.
        schema: what it says.
    """

    label: str
    schema: Schema


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong with a change.

    Attributes:
        rule: that is broken.
        path: the field; empty for the whole.
        against: the version, or the consumer.
        what: is so.
        advice: what to do.
    """

    rule: str
    path: str
    against: str
    what: str
    advice: str

    @property
    def place(self) -> str:
        """The field and the other side, in words."""
        return f"field {self.path or '(the whole)'}, against {self.against}"


def clashes(reader: Schema, writer: Schema) -> Iterator[Clash]:
    """Everything that keeps `reader` from data of `writer`."""
    if reader.format is not writer.format:
        yield Clash(Rule.FORMAT_CHANGED, "", reader.format, writer.format)
        return
    match reader.format:
        case Format.AVRO:
            yield from avro_clashes(reader.tree, writer.tree)
        case Format.JSON:
            yield from json_clashes(reader.tree, writer.tree)
        case Format.PROTOBUF:
            yield from protobuf_clashes(reader.tree, writer.tree)


def directions(level: Compatibility) -> tuple[Direction, ...]:
    """Who must read whom at a level."""
    match level.value.partition("_")[0]:
        case "BACKWARD":
            return (Direction.BACKWARD,)
        case "FORWARD":
            return (Direction.FORWARD,)
        case "FULL":
            return (Direction.BACKWARD, Direction.FORWARD)
    return ()


def within(level: Compatibility, earlier: Sequence[Version]) -> Sequence[Version]:
    """The versions that a level looks at: all of them, or the newest alone. `earlier` is newest first."""
    return earlier if level.value.endswith("_TRANSITIVE") else earlier[:1]


def compare(new: Schema, earlier: Sequence[Version], level: Compatibility) -> list[Finding]:
    """What is wrong with `new`, field by field and version by version.

    Args:
        new: the version in question.
        earlier: the others, newest first.
        level: what is demanded.

    Raises:
        CannotCheck: two versions differ in what can't be judged.
    """
    return [
        finding
        for version in within(level, earlier)
        for direction in directions(level)
        for finding in _findings(new, version, direction)
    ]


def _findings(new: Schema, version: Version, direction: Direction) -> Iterator[Finding]:
    reader, writer = (new, version.schema) if direction is Direction.BACKWARD else (version.schema, new)
    try:
        for clash in dict.fromkeys(clashes(reader, writer)):
            what, advice = clash.explain(direction)
            yield Finding(clash.rule, clash.path, version.label, what, advice)
    except CannotCheck as error:
        raise CannotCheck(f"against {version.label}: {error}") from error
