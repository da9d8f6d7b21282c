"""What can be wrong with a payload or its schema, by what the caller does next."""

from doublegate.contract.errors import DoublegateError

__all__ = ["Incompatible", "NotFramed", "SchemaBroken", "SchemaError", "SchemaUnavailable", "Unencodable"]


class SchemaError(DoublegateError):
    """Base of the errors about schemas."""


class SchemaBroken(SchemaError):
    """The payload does not decode under its schema and never will: dead-letter it, reason `schema`."""


class NotFramed(SchemaBroken):
    """The payload does not start with the magic byte and a schema id; no registry's serialiser wrote it."""


class SchemaUnavailable(SchemaError):
    """The schema can't be had now (registry away, id not known there): wait, the event is not at fault."""


class Unencodable(SchemaError):
    """The value does not fit the schema that it is to be written with."""


class Incompatible(SchemaError):
    """The registry refuses a schema.

    Attributes:
        subject: the subject it was to be registered under.
        level: the subject's compatibility level.
        why: the registry's own words.
    """

    def __init__(self, subject: str, level: str, why: str) -> None:
        self.subject = subject
        self.level = level
        self.why = why
        super().__init__(
            f"the registry refuses the schema for subject {subject} (compatibility {level}): {why}; "
            "make the change compatible with every registered version, or write to a new subject"
        )
