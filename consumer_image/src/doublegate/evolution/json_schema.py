"""Whether every value that one JSON Schema allows is allowed by another one.

No kept library tells this with the place and the reason, so it is done here, for a documented subset. What is
outside of it is refused and never guessed: two schemas that differ in such a keyword can't be judged.
"""

from collections.abc import Iterator
from itertools import chain
from typing import Any

from jsonschema.validators import Draft7Validator, validator_for  # type: ignore[import-untyped]

from doublegate.evolution.clash import Clash, Rule
from doublegate.evolution.errors import CannotCheck
from doublegate.evolution.json_bounds import BOUNDS, narrowed
from doublegate.evolution.json_parts import ANNOTATIONS, bare, one_type, resolve, told, types_of
from doublegate.evolution.paths import below, items, values

__all__ = ["json_clashes"]

_STRUCTURE = {
    "type",
    "properties",
    "required",
    "additionalProperties",
    "items",
    "enum",
    "const",
    "anyOf",
    "oneOf",
}
_REFERENCES = {"$ref", "$defs", "definitions"}
_KNOWN = ANNOTATIONS | _STRUCTURE | _REFERENCES | set(chain.from_iterable(BOUNDS.values()))


def json_clashes(reader: Any, writer: Any) -> Iterator[Clash]:
    """Everything that keeps values of `writer` from being valid under `reader`.

    Raises:
        CannotCheck: they differ in a keyword that is not judged.
    """
    yield from _Inclusion(reader, writer).compare(reader, writer, "")


class _Inclusion:
    def __init__(self, reader: Any, writer: Any) -> None:
        self._reader = reader
        self._writer = writer
        self._same_definitions = all(
            reader.get(key) == writer.get(key)
            for key in ("$defs", "definitions")
            if isinstance(reader, dict) and isinstance(writer, dict)
        )
        self._open: set[tuple[str, str]] = set()  # references that are being compared: they may lead back

    def compare(self, reader: Any, writer: Any, path: str) -> Iterator[Clash]:
        names = tuple(str(one.get("$ref", "")) if isinstance(one, dict) else "" for one in (reader, writer))
        if all(names):
            if (names[0], names[1]) in self._open:
                return
            self._open.add((names[0], names[1]))
        yield from self._resolved(resolve(reader, self._reader), resolve(writer, self._writer), path)
        self._open.discard((names[0], names[1]))

    def _resolved(self, reader: Any, writer: Any, path: str) -> Iterator[Clash]:
        reader, writer = bare(reader), bare(writer)
        if reader == {} or writer is False or (reader == writer and self._same_definitions):
            return
        if reader is False:
            yield Clash(Rule.VALUES_NARROWED, path, "nothing", told(writer))
        else:
            yield from self._judged(reader, writer, path)

    def _judged(self, reader: Any, writer: Any, path: str) -> Iterator[Clash]:
        if unknown := (set(reader) | set(writer)) - _KNOWN:
            raise _unjudged(path, f"`{min(unknown)}` is used", "leave that part as it is")
        if (branches := _branches(writer, path)) is not None:
            for branch in branches:
                yield from self.compare(reader, branch, path)
        elif "enum" in writer or "const" in writer:
            yield from self._listed(reader, writer, path)
        elif (branches := _branches(reader, path)) is not None:
            self._refuse_overlap(reader, path)
            for kind in types_of(writer):
                yield from self._one_of(branches, one_type(writer, kind), path)
        elif "enum" in reader or "const" in reader:
            yield Clash(Rule.VALUES_NARROWED, path, told(reader), told(writer))
        else:
            yield from self._typed(reader, writer, path)

    def _refuse_overlap(self, schema: Any, path: str) -> None:
        """`oneOf` refuses a value of two branches, and only different types tell them apart for sure."""
        seen: set[str] = set()
        for branch in schema.get("oneOf", ()):
            kinds = {
                "number" if kind == "integer" else kind for kind in types_of(resolve(branch, self._reader))
            }
            if kinds & seen:
                raise _unjudged(path, "branches of `oneOf` share a type", "say `anyOf`")
            seen |= kinds

    def _one_of(self, branches: list[Any], writer: Any, path: str) -> Iterator[Clash]:
        found = [list(self.compare(branch, writer, path)) for branch in branches]
        if not all(found):
            return
        kind = set(types_of(writer))
        alike = [
            clashes
            for branch, clashes in zip(branches, found, strict=True)
            if kind <= set(types_of(resolve(branch, self._reader)))
        ]
        if len(alike) == 1:
            yield from alike[0]
        else:
            yield Clash(Rule.TYPE_CHANGED, path, told({"anyOf": branches}), told(writer))

    def _listed(self, reader: Any, writer: Any, path: str) -> Iterator[Clash]:
        whole = {
            **reader,
            **{key: self._reader[key] for key in ("$defs", "definitions") if key in self._reader},
        }
        validator = validator_for(self._reader, default=Draft7Validator)(whole)
        listed = writer["enum"] if "enum" in writer else [writer["const"]]
        if refused := [value for value in listed if not validator.is_valid(value)]:
            yield Clash(Rule.VALUES_NARROWED, path, told(reader), f"the values {told({'enum': refused})}")

    def _typed(self, reader: Any, writer: Any, path: str) -> Iterator[Clash]:
        here, there = types_of(reader), types_of(writer)
        if not set(there) <= {*here, *(("integer",) if "number" in here else ())}:
            yield Clash(Rule.TYPE_CHANGED, path, " | ".join(here), " | ".join(there))
            return
        for reads, writes in narrowed(reader, writer, there):
            yield Clash(Rule.VALUES_NARROWED, path, reads, writes)
        if "object" in there:
            yield from self._object(reader, writer, path)
        if "array" in there:
            yield from self._array(reader, writer, path)

    def _wanted(self, schema: Any) -> Any:
        return bare(resolve(schema, self._reader))

    def _array(self, reader: Any, writer: Any, path: str) -> Iterator[Clash]:
        here, there = reader.get("items", {}), writer.get("items", {})
        if isinstance(here, list) or isinstance(there, list):
            raise _unjudged(path, "`items` is a list", "leave that part as it is")
        yield from self.compare(here, there, items(path))

    def _object(self, reader: Any, writer: Any, path: str) -> Iterator[Clash]:
        here, there = reader.get("properties", {}), writer.get("properties", {})
        more_here, more_there = (one.get("additionalProperties", True) for one in (reader, writer))
        for name in reader.get("required", ()):
            if name not in writer.get("required", ()):
                yield Clash(Rule.PROPERTY_REQUIRED, below(path, name))
        for name in dict.fromkeys((*here, *there)):
            place = below(path, name)
            if name not in here and more_here is False and there[name] is not False:
                yield Clash(Rule.PROPERTY_REFUSED, place)
            elif name not in there and bare(more_there) == {} and (want := self._wanted(here[name])) != {}:
                yield Clash(Rule.PROPERTY_WAS_OPEN, place, told(want))
            else:
                yield from self.compare(here.get(name, more_here), there.get(name, more_there), place)
        yield from self.compare(more_here, more_there, values(path))


def _branches(schema: Any, path: str) -> list[Any] | None:
    for key in ("anyOf", "oneOf"):
        if key in schema:
            if len(schema) > 1:
                raise _unjudged(path, f"`{key}` stands beside other keywords", "move those into its branches")
            return list(schema[key])
    return None


def _unjudged(path: str, where: str, advice: str) -> CannotCheck:
    return CannotCheck(
        f"field {path or '(the whole)'}: a change where {where} can't be judged; {advice}, or judge it "
        "yourself and give the subject the level NONE in compatibility.yaml for this change"
    )
