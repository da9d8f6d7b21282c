"""Reads what the proof needs where the effects are: far side, database, dead-letter topic."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any
from urllib.request import urlopen

from doublegate.contract.identity import header_reader
from doublegate.deadletters.letters import read_letters
from doublegate.demo.proof import Letter, Records

if TYPE_CHECKING:
    from doublegate.demo.scene import Scene

__all__ = ["far_side", "read_records", "rows_written"]

CALL_SECONDS = 20

ROWS = "SELECT event_id, count(*) FROM departures GROUP BY event_id"
MISORDERED = """
SELECT event_id FROM (
    SELECT event_id, sequence < max(sequence) OVER (
        PARTITION BY aircraft ORDER BY place ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
    ) AS late FROM departures
) AS placed WHERE late
"""


def read_records(scene: Scene, far_side_url: str, *, order: bool) -> Records:
    """Everything that lies outside of the consumers now.

    Args:
        scene: where it lies.
        far_side_url: of the HTTP service.
        order: look at the order as well; a replay comes late by nature.
    """
    effects = far_side(far_side_url, "effects")["performed"]
    with scene.connect() as connection:
        rows = dict(connection.execute(ROWS).fetchall())
        misordered = [row[0] for row in connection.execute(MISORDERED).fetchall()] if order else []
    return Records(
        rows=rows,
        charges=effects["charge"],
        mails=effects["mail"],
        letters=tuple(_letters(scene)),
        misordered=tuple(misordered),
    )


def rows_written(scene: Scene) -> int:
    """How many rows the primary database has."""
    with scene.connect() as connection:
        row = connection.execute("SELECT count(*) FROM departures").fetchone()
    return row[0] if row else 0


def far_side(url: str, what: str) -> dict[str, Any]:
    """Ask the far side."""
    with urlopen(f"{url}/{what}", timeout=CALL_SECONDS) as answer:  # noqa: S310 - our own loopback service
        found: dict[str, Any] = json.load(answer)
    return found


def _letters(scene: Scene) -> list[Letter]:
    spec = scene.flights.spec
    return [
        Letter(
            reason=letter.facts.reason.value if letter.facts else "broken",
            event_id=letter.event_id,
            origin=(letter.facts.topic, letter.facts.partition, letter.facts.offset)
            if letter.facts
            else ("", 0, 0),
            trace_id=letter.trace_id,
            sampled=letter.sampled,
        )
        for letter in read_letters(scene.kafka, spec.dlq_topic, header_reader(spec.identity))
    ]
