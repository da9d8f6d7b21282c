"""Whether a reader of one Protobuf file can read messages of another.

The rules are those of Confluent's registry, after Protobuf's own page on updating message types: numbers
decide, names of fields do not, unknown fields are skipped. A field that is renamed is found by `impact`.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from google.protobuf.descriptor_pb2 import DescriptorProto, FieldDescriptorProto, FileDescriptorProto

from doublegate.evolution.clash import Clash, Rule
from doublegate.evolution.paths import below, values

__all__ = ["messages_of", "protobuf_clashes", "real_oneofs", "type_name"]

_GROUPS: tuple[tuple[str, ...], ...] = (
    ("int32", "int64", "uint32", "uint64", "bool", "enum"),
    ("sint32", "sint64"),
    ("string", "bytes"),
    ("fixed32", "sfixed32"),
    ("fixed64", "sfixed64"),
)
_SAME_WIRE = {name: group for group in _GROUPS for name in group}


def protobuf_clashes(reader: FileDescriptorProto, writer: FileDescriptorProto) -> Iterator[Clash]:
    """Everything that keeps `reader` from messages of `writer`."""
    if reader.package != writer.package:
        yield Clash(Rule.PACKAGE_CHANGED, "", reader.package or "(none)", writer.package or "(none)")
        return
    read, written = messages_of(reader), messages_of(writer)
    for name, message in written.items():
        if message.options.map_entry:
            continue  # compared with its field
        if name in read:
            yield from _message(read[name], message, name)
        else:
            yield Clash(Rule.MESSAGE_MISSING, name)


def messages_of(file: FileDescriptorProto) -> dict[str, DescriptorProto]:
    """Every message, nested ones too, by its name without the package."""

    def walk(found: Any, prefix: str) -> Iterator[tuple[str, DescriptorProto]]:
        for message in found:
            name = below(prefix, message.name)
            yield name, message
            yield from walk(message.nested_type, name)

    return dict(walk(file.message_type, ""))


def type_name(field: FieldDescriptorProto) -> str:
    """int32, string, enum, ... or the full name of the message."""
    name = FieldDescriptorProto.Type.Name(field.type).removeprefix("TYPE_").lower()
    return str(field.type_name).removeprefix(".") if name in ("message", "group") else str(name)


def real_oneofs(message: DescriptorProto) -> dict[str, set[int]]:
    """The numbers of each oneof; those that only stand for `optional` are left out."""
    oneofs: dict[str, set[int]] = {}
    for field in message.field:
        if field.HasField("oneof_index") and not field.proto3_optional:
            oneofs.setdefault(message.oneof_decl[field.oneof_index].name, set()).add(field.number)
    return oneofs


def _message(reader: DescriptorProto, writer: DescriptorProto, path: str) -> Iterator[Clash]:
    read = {field.number: field for field in reader.field}
    written = {field.number: field for field in writer.field}
    for number, field in read.items():
        place = below(path, field.name)
        source = written.get(number)
        if field.label == FieldDescriptorProto.LABEL_REQUIRED and (
            source is None or source.label != FieldDescriptorProto.LABEL_REQUIRED
        ):
            yield Clash(Rule.REQUIRED_FIELD, place)
        entries = [_entry(message, one) for message, one in ((reader, field), (writer, source))]
        if entries[0] is not None and entries[1] is not None:
            for key_or_value, written_one in zip(entries[0].field, entries[1].field, strict=True):
                yield from _field(key_or_value, written_one, values(place))
        elif source is not None:
            yield from _field(field, source, place)
    yield from _oneofs(real_oneofs(reader), real_oneofs(writer), read, written, path)


def _entry(message: DescriptorProto, field: FieldDescriptorProto | None) -> DescriptorProto | None:
    """Key and value of a map, which is a repeated field of a message made up for it."""
    name = "" if field is None else str(field.type_name).rpartition(".")[2]
    return next((one for one in message.nested_type if one.options.map_entry and one.name == name), None)


def _field(reader: FieldDescriptorProto, writer: FieldDescriptorProto, path: str) -> Iterator[Clash]:
    here, there = type_name(reader), type_name(writer)
    if here != there and there not in _SAME_WIRE.get(here, ()):
        yield Clash(Rule.TYPE_CHANGED, path, here, there)
        return
    repeated = [field.label == FieldDescriptorProto.LABEL_REPEATED for field in (reader, writer)]
    if repeated[0] != repeated[1] and here not in ("string", "bytes") and "." not in here:
        words = [f"repeated {here}" if many else f"one {here}" for many in repeated]
        yield Clash(Rule.LABEL_CHANGED, path, *words)


def _oneofs(
    reader: Mapping[str, set[int]],
    writer: Mapping[str, set[int]],
    read: Mapping[int, FieldDescriptorProto],
    written: Mapping[int, FieldDescriptorProto],
    path: str,
) -> Iterator[Clash]:
    for name, numbers in reader.items():
        known = numbers & set(written)
        if len(known) > 1 and not any(known <= together for together in writer.values()):
            told = ", ".join(read[number].name for number in sorted(known))
            yield Clash(Rule.ONEOF_CHANGED, below(path, name), told)
    for name, numbers in writer.items():
        if numbers & set(read):
            for number in sorted(numbers - set(read)):
                yield Clash(Rule.ONEOF_FIELD_MISSING, below(path, written[number].name), writer=name)
