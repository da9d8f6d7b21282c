"""Schemas as contracts: what a change of a schema does to those who read it.

`doublegate schema` uses it, and the operator to read a subject's latest schema; nothing that handles events
does. `repository` gathers files, their history and a registry's versions; `check` and `impact` judge, without
I/O. Each format has its judge; `clash` has their words.
"""

from doublegate.evolution.clash import Clash, Direction, Rule
from doublegate.evolution.declaration import Declaration, load_declaration
from doublegate.evolution.errors import CannotCheck
from doublegate.evolution.fields import diff, fields_of
from doublegate.evolution.impact import broken_by
from doublegate.evolution.levels import Finding, Version, clashes, compare
from doublegate.evolution.model import fields_read
from doublegate.evolution.protoc import registered_descriptor
from doublegate.evolution.registered import read_registered
from doublegate.evolution.schema import Format, Schema, read_schema
from doublegate.evolution.verdict import Verdict, check, impact

__all__ = [
    "CannotCheck",
    "Clash",
    "Declaration",
    "Direction",
    "Finding",
    "Format",
    "Rule",
    "Schema",
    "Verdict",
    "Version",
    "broken_by",
    "check",
    "clashes",
    "compare",
    "diff",
    "fields_of",
    "fields_read",
    "impact",
    "load_declaration",
    "read_registered",
    "read_schema",
    "registered_descriptor",
]
