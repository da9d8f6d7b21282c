"""Whether a handler's model can read what a schema describes, field by field; pure.

A handler gets what the writer's schema says: defaults of Avro are a registry's promise to readers that
resolve schemas, and a pydantic model does not. So a field that is removed compatibly is missing all the same.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from doublegate.contract.record import Field, Kind

__all__ = ["Read", "broken_fields"]


@dataclass(frozen=True, slots=True)
class Read:
    """A field that a model has.

    Attributes:
        required: the model has no default for it.
        takes: the kinds of value that it accepts.
        values: all that it accepts, when the model lists them (an Enum, a Literal).
        closed: it is an object that refuses fields which the model does not have.
    """

    required: bool
    takes: frozenset[Kind]
    values: frozenset[str] | None = None
    closed: bool = False


def broken_fields(reads: Mapping[str, Read], fields: Mapping[str, Field]) -> Iterator[tuple[str, str, str]]:
    """Path, what is so, and what to do, for each field that the model can't take."""
    for path, read in reads.items():
        field = fields.get(path)
        if field is not None:
            yield from ((path, *words) for words in _unfit(read, field))
        elif read.required and path and _is_object(_parent(path), fields):
            yield (
                path,
                "the consumer requires the field and the schema does not have it",
                "keep the field, or give it a default in the consumer's model first",
            )
        if read.closed:
            for extra in (one for one in fields if _parent(one) == path and one not in reads):
                yield (
                    extra,
                    "the consumer's model refuses fields that it does not have",
                    "give the consumer's model the field first, or do without `extra='forbid'`",
                )


def _unfit(read: Read, field: Field) -> Iterator[tuple[str, str]]:
    if Kind.ANY not in read.takes and (wrong := field.kinds - read.takes - {Kind.ANY}):
        took = " | ".join(sorted(read.takes))
        yield (
            f"it may be {' | '.join(sorted(wrong))} ({field.type}), and the consumer takes {took}",
            "keep the type, or let the consumer's model take it first",
        )
    if read.values is not None and field.values is not None and (new := field.values - read.values):
        yield (
            f"it may be {', '.join(sorted(new))}, which the consumer's model does not list",
            "let the consumer's model take it first",
        )
    if read.required and not field.always:
        yield (
            "the consumer requires the field and records may lack it",
            "make it required in the schema, or give it a default in the consumer's model",
        )


def _is_object(path: str, fields: Mapping[str, Field]) -> bool:
    """Whether there is something that lacks a field: what is gone or of another type is told of itself."""
    return not path or (path in fields and Kind.OBJECT in fields[path].kinds)


def _parent(path: str) -> str:
    """What a field is in: an object, or the array or map whose items or values it stands for."""
    if path.endswith(("[]", "{}")):
        return path[:-2]
    return path.rpartition(".")[0]
