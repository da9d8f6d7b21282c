"""Whether a reader of one Avro schema can read data of another: schema resolution, as registries do it.

`avro.compatibility` knows these rules too, and the tests compare with it. But it keeps its messages and its
places in two unordered sets, and loses the place inside a union, so it can't tell which field is at fault.
"""

from collections.abc import Iterator
from typing import Any

from doublegate.evolution.clash import Clash, Rule
from doublegate.evolution.paths import below, items, values
from doublegate.evolution.schema import Avro

__all__ = ["avro_clashes", "branch_name", "kind_of"]

_PROMOTIONS = {
    "int": {"long", "float", "double"},
    "long": {"float", "double"},
    "float": {"double"},
    "string": {"bytes"},
    "bytes": {"string"},
}
_NAMED = ("record", "error", "enum", "fixed")


def avro_clashes(reader: Avro, writer: Avro) -> Iterator[Clash]:
    """Everything that keeps `reader` from data of `writer`."""
    yield from _Resolution(reader, writer).compare(reader.root, writer.root, "")


def kind_of(schema: Any) -> str:
    """The type's name in Avro: record, int, array, ..."""
    return str(schema["type"] if isinstance(schema, dict) else schema)


def branch_name(schema: Any) -> str:
    """What a message calls the type: its own name when it has one."""
    if isinstance(schema, list):
        return " | ".join(map(branch_name, schema))
    if isinstance(schema, dict) and "name" in schema:
        return f"{kind_of(schema)} {_plain(schema['name'])}"
    return kind_of(schema)


def _plain(name: str) -> str:
    return name.rpartition(".")[2]


class _Resolution:
    def __init__(self, reader: Avro, writer: Avro) -> None:
        self._reader = reader
        self._writer = writer
        self._open: set[tuple[str, str]] = (
            set()
        )  # records that are being compared: they may contain themselves

    def compare(self, reader: Any, writer: Any, path: str) -> Iterator[Clash]:
        reader = self._reader.names.get(reader, reader) if isinstance(reader, str) else reader
        writer = self._writer.names.get(writer, writer) if isinstance(writer, str) else writer
        if isinstance(writer, list):
            for branch in writer:
                yield from self.compare(reader, branch, path)
        elif isinstance(reader, list):
            yield from self._union(reader, writer, path)
        elif kind_of(reader) == kind_of(writer):
            yield from self._same_kind(reader, writer, path)
        elif kind_of(reader) not in _PROMOTIONS.get(kind_of(writer), ()):
            yield Clash(Rule.TYPE_CHANGED, path, branch_name(reader), branch_name(writer))

    def _union(self, reader: list[Any], writer: Any, path: str) -> Iterator[Clash]:
        found = [list(self.compare(branch, writer, path)) for branch in reader]
        if not all(found):
            return  # one branch takes it
        alike = [
            clashes for branch, clashes in zip(reader, found, strict=True) if self._alike(branch, writer)
        ]
        if alike:
            yield from alike[0]
        else:
            yield Clash(Rule.UNION_BRANCH_MISSING, path, branch_name(reader), branch_name(writer))

    def _alike(self, reader: Any, writer: Any) -> bool:
        reader = self._reader.names.get(reader, reader) if isinstance(reader, str) else reader
        return kind_of(reader) == kind_of(writer) and (
            kind_of(reader) not in _NAMED or _same_name(reader, writer)
        )

    def _same_kind(self, reader: Any, writer: Any, path: str) -> Iterator[Clash]:
        kind = kind_of(reader)
        if kind in _NAMED and not _same_name(reader, writer):
            yield Clash(Rule.NAME_CHANGED, path, _plain(reader["name"]), _plain(writer["name"]))
            return
        match kind:
            case "record" | "error":
                yield from self._record(reader, writer, path)
            case "array":
                yield from self.compare(reader["items"], writer["items"], items(path))
            case "map":
                yield from self.compare(reader["values"], writer["values"], values(path))
            case "fixed" if reader["size"] != writer["size"]:
                yield Clash(Rule.FIXED_SIZE_CHANGED, path, str(reader["size"]), str(writer["size"]))
            case "enum" if "default" not in reader:
                if lacking := [symbol for symbol in writer["symbols"] if symbol not in reader["symbols"]]:
                    yield Clash(Rule.ENUM_SYMBOL_MISSING, path, writer=", ".join(lacking))

    def _record(self, reader: Any, writer: Any, path: str) -> Iterator[Clash]:
        pair = (reader["name"], writer["name"])
        if pair in self._open:
            return
        self._open.add(pair)
        written = {field["name"]: field for field in writer["fields"]}
        for field in reader["fields"]:
            names = (field["name"], *field.get("aliases", ()))
            source = next((written[name] for name in names if name in written), None)
            place = below(path, field["name"])
            if source is not None:
                yield from self.compare(field["type"], source["type"], place)
            elif "default" not in field:
                yield Clash(Rule.FIELD_WITHOUT_DEFAULT, place)
        self._open.discard(pair)


def _same_name(reader: Any, writer: Any) -> bool:
    """Without the namespace, as Avro's own library does it; the reader may know the writer's by an alias."""
    if _plain(reader["name"]) == _plain(writer["name"]):
        return True
    space = reader["name"].rpartition(".")[0]
    aliases = (
        alias if "." in alias or not space else f"{space}.{alias}" for alias in reader.get("aliases", ())
    )
    return writer["name"] in aliases
