"""Payloads on the wire: Confluent's framing, with schemas from a registry.

The runtime decodes with a `Decoder`, the producer encodes with an `Encoder`; both share a `Registry`.
The errors are named for what the caller does next: dead-letter (`SchemaBroken`), wait (`SchemaUnavailable`).
"""

from doublegate.schemas.decoder import Decoder, build_decoder
from doublegate.schemas.encoder import Encoder
from doublegate.schemas.errors import (
    Incompatible,
    NotFramed,
    SchemaBroken,
    SchemaError,
    SchemaUnavailable,
    Unencodable,
)
from doublegate.schemas.registry import Registry

__all__ = [
    "Decoder",
    "Encoder",
    "Incompatible",
    "NotFramed",
    "Registry",
    "SchemaBroken",
    "SchemaError",
    "SchemaUnavailable",
    "Unencodable",
    "build_decoder",
]
