"""Which consumers can't read a version of a schema, although the registry may allow it.

The rules are the contract's (`reads`), because the operator keeps them too.
"""

from collections.abc import Iterator

from doublegate.contract.reads import broken_fields
from doublegate.evolution.declaration import Declaration
from doublegate.evolution.fields import fields_of
from doublegate.evolution.levels import Finding
from doublegate.evolution.schema import Schema

__all__ = ["broken_by"]

_RULE = "consumer-broken"
_EARLIER = "let the consumer's model take both: records of that version come again with a replay"


def broken_by(declaration: Declaration, schema: Schema, label: str = "") -> Iterator[Finding]:
    """Why the consumer can't read records of `schema`.

    Args:
        declaration: the consumer's.
        schema: that the records are written with.
        label: the version, when it is not the one that is being checked.
    """
    who = f"consumer {declaration.consumer} (model {declaration.model})"
    reads = {path: field.as_read() for path, field in declaration.fields.items()}
    for path, what, advice in broken_fields(reads, fields_of(schema)):
        if label:
            yield Finding(_RULE, path, f"{who} on {label}", what, _EARLIER)
        else:
            yield Finding(_RULE, path, who, what, advice)
