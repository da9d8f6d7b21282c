"""Durations, byte sizes and rates as the resource writes them, and as the code computes with them."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, LiteralString

from pydantic import (
    BeforeValidator,
    Field,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    PlainSerializer,
    WithJsonSchema,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

__all__ = [
    "BYTE_SIZE_PATTERN",
    "DURATION_PATTERN",
    "Between",
    "ByteSize",
    "Duration",
    "Rate",
    "byte_size_between",
    "duration_between",
    "format_byte_size",
    "format_duration",
    "parse_byte_size",
    "parse_duration",
]

# Milliseconds per unit, largest first: the order in which a duration is written.
_MILLISECONDS = {"d": 86_400_000, "h": 3_600_000, "m": 60_000, "s": 1_000, "ms": 1}
# Kubernetes' suffixes; binary first, so that 1024 is written back as 1Ki.
_BYTES = {
    "Ti": 1 << 40,
    "Gi": 1 << 30,
    "Mi": 1 << 20,
    "Ki": 1 << 10,
    "T": 10**12,
    "G": 10**9,
    "M": 10**6,
    "k": 10**3,
}

# RE2 has no lookahead, so "at least one part" is left to the parser; both patterns are valid in a CRD.
DURATION_PATTERN = r"^([0-9]+d)?([0-9]+h)?([0-9]+m)?([0-9]+s)?([0-9]+ms)?$"
BYTE_SIZE_PATTERN = r"^[0-9]+(k|Ki|M|Mi|G|Gi|T|Ti)?$"

_DURATION = re.compile(DURATION_PATTERN, re.ASCII)
_BYTE_SIZE = re.compile(BYTE_SIZE_PATTERN, re.ASCII)
_RANGE: LiteralString = "allowed: {lowest} to {highest}"
_DIGITS = 18  # more is no size or time of this world, and int() would take its time


def parse_duration(text: object) -> float:
    """Seconds of a duration such as `200ms`, `10s`, `1h30m` or `14d`.

    Raises:
        PydanticCustomError: (a ValueError) when it is not one; a bare number is refused, since nobody can
            tell its unit.
    """
    match = _DURATION.fullmatch(text) if isinstance(text, str) and text else None
    if match is None or any(len(part) > _DIGITS for part in match.groups() if part):
        raise PydanticCustomError(
            "dg_duration",
            "allowed: a text of whole numbers with units d, h, m, s, ms, largest first, such as 200ms, "
            "10s or 1h30m",
        )
    parts = zip(match.groups(), _MILLISECONDS.items(), strict=True)
    return sum(int(part[: -len(unit)]) * factor for part, (unit, factor) in parts if part) / 1000


def format_duration(seconds: float) -> str:
    """The canonical text of a duration, to the millisecond: `1h30m`."""
    rest = round(seconds * 1000)
    parts = []
    for unit, factor in _MILLISECONDS.items():
        count, rest = divmod(rest, factor)
        if count:
            parts.append(f"{count}{unit}")
    return "".join(parts) or "0s"


def parse_byte_size(value: object) -> int:
    """Bytes of a size such as `64Mi`, `1Gi`, `512k`, or of a plain whole number.

    Raises:
        PydanticCustomError: (a ValueError) when it is not one.
    """
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 10**_DIGITS:
        return value
    match = _BYTE_SIZE.fullmatch(value) if isinstance(value, str) else None
    if match is None or len(match.string) > _DIGITS:
        raise PydanticCustomError(
            "dg_byte_size",
            "allowed: a whole number of bytes with an optional suffix (k, M, G, T, Ki, Mi, Gi, Ti), "
            "such as 64Mi or 1Gi",
        )
    suffix = match[1] or ""
    return int(match.string.removesuffix(suffix)) * _BYTES.get(suffix, 1)


def format_byte_size(size: int) -> str:
    """The shortest exact text of a size: `64Mi`."""
    for suffix, factor in _BYTES.items():
        if size and size % factor == 0:
            return f"{size // factor}{suffix}"
    return str(size)


@dataclass(frozen=True, slots=True)
class Between:
    """A range, both ends allowed; it stands in the JSON schema as `x-between`, for the API server's rules.

    Attributes:
        lowest: as the resource writes it.
        highest: likewise.
        parse: reads either.
    """

    lowest: str
    highest: str
    parse: Callable[[object], float]

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Pydantic's hook: check after the value was parsed."""
        low, high = self.parse(self.lowest), self.parse(self.highest)

        def check(value: float) -> float:
            if not low <= value <= high:
                raise PydanticCustomError(
                    "dg_range", _RANGE, {"lowest": self.lowest, "highest": self.highest}
                )
            return value

        return core_schema.no_info_after_validator_function(check, handler(source))

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        """Pydantic's hook: what the schema says of it."""
        return {**handler(schema), "x-between": [self.lowest, self.highest]}


def duration_between(lowest: str, highest: str) -> Between:
    """A range for a `Duration`, both ends allowed."""
    return Between(lowest, highest, parse_duration)


def byte_size_between(lowest: str, highest: str) -> Between:
    """A range for a `ByteSize`, both ends allowed."""
    return Between(lowest, highest, parse_byte_size)


Duration = Annotated[
    float,
    BeforeValidator(parse_duration, json_schema_input_type=str),
    PlainSerializer(format_duration, return_type=str, when_used="json"),
    WithJsonSchema(
        {"type": "string", "pattern": DURATION_PATTERN, "minLength": 2, "examples": ["200ms", "10s", "1h30m"]}
    ),
]
"""Seconds; written `200ms`, `10s`, `1h30m`, `14d`."""

ByteSize = Annotated[
    int,
    BeforeValidator(parse_byte_size, json_schema_input_type=str),
    PlainSerializer(format_byte_size, return_type=str, when_used="json"),
    WithJsonSchema({"type": "string", "pattern": BYTE_SIZE_PATTERN, "examples": ["64Mi", "1Gi", "512k"]}),
]
"""Bytes; written `64Mi`, `1Gi`, `512k` or as a whole number."""

Rate = Annotated[float, Field(ge=0.001, le=10_000_000)]
"""Events per second."""
