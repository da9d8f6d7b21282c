"""Gives letters up: their keys go on without them (`kafka.onFailure: ParkKey`).

The letters stay in the topic. A later event of the key that is parked may be replayed then, as the next in
line.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from doublegate.contract.connections import RedisConnection
from doublegate.gate.keys import Keyspace
from doublegate.gate.ledger import Ledger
from doublegate.runtime.reprocess import keyspace_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from doublegate.contract.resource import IdempotentConsumer
    from doublegate.deadletters.letters import StoredLetter

__all__ = ["give_up"]


def give_up(consumer: IdempotentConsumer, letters: Iterable[StoredLetter]) -> list[StoredLetter]:
    """Take the letters' events out of their keys' lines; returns those that could stand in one.

    Raises:
        LedgerError: the ledger can't be reached, or refuses; nothing, or a part, was given up.
    """
    spec = consumer.spec
    scope = spec.kafka.group
    lines = Keyspace(scope)
    given: list[StoredLetter] = []
    rows: list[tuple[bytes, bytes]] = []
    for letter in letters:
        if letter.key is None or letter.event_id is None:
            continue
        order = letter.facts.reprocess if letter.facts else ""
        keys = keyspace_of(scope, order) if order else lines
        rows.append((lines.line(letter.key), keys.key(letter.event_id.encode())))
        given.append(letter)
    redis = RedisConnection.from_spec(spec.ledger)
    ledger = Ledger.connect(redis.url, scope, **redis.kwargs)
    try:
        ledger.unpark(rows)
    finally:
        ledger.close()
    return given
