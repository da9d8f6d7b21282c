"""Kubernetes quantities, as far as memory is written in them."""

from __future__ import annotations

import math
import re
from fractions import Fraction

__all__ = ["mebibytes", "parse_quantity"]

_MIB = 1 << 20
_SCALES = {
    "m": Fraction(1, 1000),
    "": Fraction(1),
    **{suffix: Fraction(1000**power) for power, suffix in enumerate("kMGTPE", 1)},
    **{f"{suffix}i": Fraction(1024**power) for power, suffix in enumerate("KMGTPE", 1)},
}
_QUANTITY = re.compile(
    r"([0-9]{1,18}(?:\.[0-9]{0,9})?|\.[0-9]{1,9})(m|[kMGTPE]|[KMGTPE]i|[eE][+-]?[0-9]{1,2})?", re.ASCII
)


def parse_quantity(given: object) -> int | None:
    """Bytes of a quantity such as `512Mi`, `1.5Gi`, `2e9` or a whole number, rounded up; None for others."""
    if isinstance(given, int) and not isinstance(given, bool):
        return given if given >= 0 else None
    match = _QUANTITY.fullmatch(given) if isinstance(given, str) else None
    if match is None:
        return None
    number, suffix = match[1], match[2] or ""
    # An E alone is exa; before digits it is an exponent.
    scale = _SCALES[suffix] if suffix in _SCALES else Fraction(10) ** int(suffix[1:])
    return math.ceil(Fraction(number.rstrip(".") if number.endswith(".") else number) * scale)


def mebibytes(size: int) -> str:
    """A size as a quantity of whole Mi, rounded up."""
    return f"{-(-size // _MIB)}Mi"
