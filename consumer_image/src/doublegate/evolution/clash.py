"""What keeps one schema's reader from another schema's data, in the words of whoever changes the schema.

The judges of the formats (`avro`, `json_schema`, `protobuf`) yield a `Clash`: they know who reads and who
writes. Which of the two is the new version is known to `levels`, which makes it a sentence here.
"""

from dataclasses import dataclass
from enum import StrEnum

__all__ = ["Clash", "Direction", "Rule"]


class Direction(StrEnum):
    """Who reads whom."""

    BACKWARD = "backward"
    """The new version reads what the earlier one wrote."""
    FORWARD = "forward"
    """The earlier version reads what the new one writes."""


class Rule(StrEnum):
    """Names of the rules, as reports show them."""

    FORMAT_CHANGED = "format-changed"
    NAME_CHANGED = "name-changed"
    TYPE_CHANGED = "type-changed"
    # Avro
    FIELD_WITHOUT_DEFAULT = "field-without-default"
    UNION_BRANCH_MISSING = "union-branch-missing"
    ENUM_SYMBOL_MISSING = "enum-symbol-missing"
    FIXED_SIZE_CHANGED = "fixed-size-changed"
    # JSON Schema
    PROPERTY_REQUIRED = "property-required"
    PROPERTY_REFUSED = "property-refused"
    PROPERTY_WAS_OPEN = "property-was-open"
    VALUES_NARROWED = "values-narrowed"
    # Protobuf
    PACKAGE_CHANGED = "package-changed"
    MESSAGE_MISSING = "message-missing"
    LABEL_CHANGED = "label-changed"
    REQUIRED_FIELD = "required-field"
    ONEOF_CHANGED = "oneof-changed"
    ONEOF_FIELD_MISSING = "oneof-field-missing"


_NEW_SUBJECT = "or write to a new subject"
_KEEP_TYPE = "keep the type, and add a field of another name for the new one"
_AS_IT_WAS = f"leave it as it was, {_NEW_SUBJECT}"

# For each rule: what is so and what to do, first if the new version reads, then if the earlier one does.
_WORDS: dict[Rule, tuple[tuple[str, str], tuple[str, str]]] = {
    Rule.FORMAT_CHANGED: (
        ("it was {writer} and is {reader}", "a subject keeps its format; write to a new subject"),
        ("it was {reader} and is {writer}", "a subject keeps its format; write to a new subject"),
    ),
    Rule.NAME_CHANGED: (
        ("it was named {writer} and is named {reader}", "keep the name, or list the former one in `aliases`"),
        ("it was named {reader} and is named {writer}", f"keep the name, {_NEW_SUBJECT}"),
    ),
    Rule.TYPE_CHANGED: (
        ("{writer} became {reader}, which can't hold it", _KEEP_TYPE),
        ("{reader} became {writer}, which its readers can't take", _KEEP_TYPE),
    ),
    Rule.FIELD_WITHOUT_DEFAULT: (
        ("the field is new and has no default, and older records lack it", "give the field a default"),
        ("the field is gone and had no default, and its readers need it", f"keep the field, {_NEW_SUBJECT}"),
    ),
    Rule.UNION_BRANCH_MISSING: (
        ("{writer} was allowed and is not among {reader}", "keep {writer} in the union"),
        ("{writer} is allowed now, and its readers know {reader} only", _KEEP_TYPE),
    ),
    Rule.ENUM_SYMBOL_MISSING: (
        ("the symbols {writer} are gone", "keep them, or give the enum a default"),
        (
            "the symbols {writer} are new, and its readers have no default for them",
            "add a field of another name for them; an enum that shall grow needs a default from its start",
        ),
    ),
    Rule.FIXED_SIZE_CHANGED: (
        ("{writer} bytes became {reader}", _KEEP_TYPE),
        ("{reader} bytes became {writer}", _KEEP_TYPE),
    ),
    Rule.PROPERTY_REQUIRED: (
        ("the property is required now, and older records may lack it", "leave it optional"),
        ("the property is no longer required, and its readers need it", "keep it required"),
    ),
    Rule.PROPERTY_REFUSED: (
        (
            "the property is gone, and additional ones are refused, so older records are invalid",
            "keep the property",
        ),
        (
            "the property is new, and its readers refuse additional ones",
            f"only a version that allows additional properties can be added to; leave it out, {_NEW_SUBJECT}",
        ),
    ),
    Rule.PROPERTY_WAS_OPEN: (
        (
            "the property is new, and older records may hold anything under that name",
            "declare it without a type (`{{}}`); `additionalProperties: false` from the start avoids this",
        ),
        (
            "the property is gone, and under that name new records may hold what is not {reader}",
            "keep the property",
        ),
    ),
    Rule.VALUES_NARROWED: (
        (
            "{writer} became {reader}, and older records may break that",
            f"allow what was allowed, {_NEW_SUBJECT}",
        ),
        ("{reader} became {writer}, which its readers refuse", f"allow no more than before, {_NEW_SUBJECT}"),
    ),
    Rule.PACKAGE_CHANGED: (
        ("the package was {writer} and is {reader}", _AS_IT_WAS),
        ("the package was {reader} and is {writer}", _AS_IT_WAS),
    ),
    Rule.MESSAGE_MISSING: (
        ("the message is gone, and records may be of it", "keep the message"),
        (
            "the message is new, and its readers can't know it",
            "put it into a file and subject of its own; at a BACKWARD level it may be added",
        ),
    ),
    Rule.LABEL_CHANGED: (
        ("{writer} became {reader}", _KEEP_TYPE),
        ("{reader} became {writer}", _KEEP_TYPE),
    ),
    Rule.REQUIRED_FIELD: (
        ("the field is required, and older records may lack it", "make it optional"),
        ("the field was required and is not any more, and its readers need it", "keep it required"),
    ),
    Rule.ONEOF_CHANGED: (
        ("fields that could be set together are in one oneof now: {reader}", "leave them outside of it"),
        ("fields of one oneof can be set together now: {reader}", "leave them in the oneof"),
    ),
    Rule.ONEOF_FIELD_MISSING: (
        ("the field is gone from the oneof {writer}", "keep the field"),
        (
            "the field is new in the oneof {writer}, which its readers would find unset",
            "add it outside of the oneof",
        ),
    ),
}


@dataclass(frozen=True, slots=True)
class Clash:
    """One place where a reader can't take what a writer writes.

    Attributes:
        rule: that is broken.
        path: the field, dotted; `[]` for an array's items, `{}` for a map's values; empty for the whole.
        reader: what stands there for the reader, in a word or two.
        writer: the same for the writer.
    """

    rule: Rule
    path: str
    reader: str = ""
    writer: str = ""

    def explain(self, direction: Direction) -> tuple[str, str]:
        """What is so, and what to do."""
        backward, forward = _WORDS[self.rule]
        what, advice = backward if direction is Direction.BACKWARD else forward
        words = {"reader": self.reader, "writer": self.writer}
        return what.format(**words), advice.format(**words)
