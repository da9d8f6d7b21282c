"""The section about gate 1, the filter in a pod's memory."""

from enum import StrEnum
from typing import Annotated

from pydantic import Field

from doublegate.contract.fields import Choice, Section
from doublegate.contract.units import Duration, Rate, duration_between

__all__ = ["FilterSpec", "Snapshots"]


class Snapshots(StrEnum):
    """Where filters are kept over a restart."""

    LEDGER = "Ledger"
    VOLUME = "Volume"


class FilterSpec(Section):
    """Gate 1: the windowed Bloom filter and exact memory of a pod."""

    expected_rate: Rate = Field(
        15_000,
        description="Events per second of the whole topic (0.001 to 10000000); sizes filter and exact "
        "memory for "
        "a pod that holds every partition.",
    )
    window: Annotated[Duration, duration_between("1s", "30d")] = Field(
        "10m",
        validate_default=True,
        description="How far back the filter remembers, 1s to 30d; ten minutes cover a producer's retries.",
    )
    false_positive_rate: float = Field(
        0.001,
        ge=1e-6,
        le=0.1,
        description="Share of new ids (0.000001 to 0.1) that must ask the ledger in vain; it costs "
        "time, never an "
        "event. 0.001 is 14.4 bits per id in theory.",
    )
    generations: int = Field(
        4,
        ge=2,
        le=64,
        description="Slices of the window that are dropped one by one; 4 keep 25% more than asked.",
    )
    exact_entries: int | None = Field(
        None, ge=1, le=10**9, description="Ids in exact memory; from expectedRate and window when absent."
    )
    snapshots: Annotated[Snapshots, Choice] = Field(
        Snapshots.LEDGER, description="Ledger keeps them beside the claims; Volume on a disk of the pod."
    )
