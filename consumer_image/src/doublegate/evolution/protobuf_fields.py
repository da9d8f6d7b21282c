"""The fields of a Protobuf file's first message as the decoder hands them on: by name, as Protobuf's JSON."""

from collections.abc import Iterator

from google.protobuf.descriptor_pb2 import DescriptorProto, FieldDescriptorProto, FileDescriptorProto

from doublegate.contract.record import Field, Kind
from doublegate.evolution.paths import below, items, values
from doublegate.evolution.protobuf import messages_of, type_name

__all__ = ["protobuf_fields"]

_KINDS = {"bool": Kind.BOOLEAN, "double": Kind.NUMBER, "float": Kind.NUMBER}
# Bytes are base64 text there; 64-bit integers are text too, which a model's int takes.
_TEXT = ("string", "bytes", "enum", "google.protobuf.Timestamp", "google.protobuf.Duration")


def protobuf_fields(file: FileDescriptorProto) -> Iterator[tuple[str, Field]]:
    """Each field with its path. A message inside itself is not entered again.

    A field counts as always there, though one that has its default value is left out: else no consumer could
    require any.
    """
    messages = {
        f"{file.package}.{name}" if file.package else name: m for name, m in messages_of(file).items()
    }
    if messages:
        first = next(iter(messages))
        yield from _inside(messages[first], messages, "", (first,))


def _inside(
    message: DescriptorProto, messages: dict[str, DescriptorProto], path: str, above: tuple[str, ...]
) -> Iterator[tuple[str, Field]]:
    for field in message.field:
        place, name = below(path, field.name), type_name(field)
        inner = messages.get(name)
        if inner is not None and inner.options.map_entry:
            value = inner.field[1]
            yield place, Field(f"map of {type_name(value)}", frozenset({Kind.OBJECT}))
            place, name = values(place), type_name(value)
            inner = messages.get(name)
        elif field.label == FieldDescriptorProto.LABEL_REPEATED:
            yield place, Field(f"repeated {name}", frozenset({Kind.ARRAY}))
            place = items(place)
        yield place, Field(name, frozenset({_kind(name)}))
        if inner is not None and name not in above:
            yield from _inside(inner, messages, place, (*above, name))


def _kind(name: str) -> Kind:
    if name in _TEXT:
        return Kind.STRING
    if "." in name:
        return Kind.ANY if name.startswith("google.") else Kind.OBJECT
    return _KINDS.get(name, Kind.INTEGER if "int" in name or "fixed" in name else Kind.OBJECT)
