"""How often a curve turns around; pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["turns"]


def turns(curve: Sequence[float], ripple: float) -> int:
    """Turns by more than `ripple`, in the curve's unit; a smaller one is not seen."""
    count, extreme, direction = 0, curve[0], 0
    for value in curve:
        if direction >= 0 and value < extreme - ripple:
            count, extreme, direction = count + (direction > 0), value, -1
        elif direction <= 0 and value > extreme + ripple:
            count, extreme, direction = count + (direction < 0), value, 1
        elif (value - extreme) * direction > 0:
            extreme = value
    return count
