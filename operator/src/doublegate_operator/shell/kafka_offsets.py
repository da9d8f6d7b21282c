"""How far the group is, and what lies in its DLQ; by offsets alone, no record is read."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from typing import Any

from confluent_kafka import TopicPartition
from confluent_kafka.admin import (  # type: ignore[attr-defined] # missing in its __all__
    ListOffsetsResultInfo,
    OffsetSpec,
)

from doublegate_operator.core.facts import DlqFacts
from doublegate_operator.shell.kafka_client import KafkaClient

__all__ = ["committed_offsets", "dlq_facts", "end_offsets", "first_offsets", "lag_of"]

Place = tuple[str, int]
"""Topic and partition."""
Offsets = Mapping[Place, int]

_MS = 1000.0
_at: Any = OffsetSpec  # its functions have no types


def first_offsets(client: KafkaClient, places: Iterable[Place]) -> Offsets:
    """Of the first record that each partition still has."""
    return _offsets(client, places, _at.earliest())


def end_offsets(client: KafkaClient, places: Iterable[Place]) -> Offsets:
    """Of the next record that each partition gets."""
    return _offsets(client, places, _at.latest())


def committed_offsets(client: KafkaClient, places: Iterable[Place]) -> Offsets:
    """The group's commits; partitions without one are missing.

    Not the admin client's list_consumer_group_offsets: librdkafka crashes the process in it now and then.
    """
    asked = [TopicPartition(*place) for place in places]
    with client.consumer() as consumer:
        found = consumer.committed(asked, timeout=client.seconds)
    return {(each.topic, each.partition): each.offset for each in found if each.offset >= 0}


def lag_of(begins: Offsets, ends: Offsets, committed: Offsets) -> int:
    """Records from the commit to the end; from the first that there is where nothing is committed."""
    return sum(max(0, end - max(begins[place], committed.get(place, 0))) for place, end in ends.items())


def dlq_facts(client: KafkaClient, begins: Offsets, ends: Offsets) -> DlqFacts:
    """How many dead letters there are, and how old the oldest is."""
    held = [place for place, end in ends.items() if end > begins[place]]
    count = sum(ends[place] - begins[place] for place in held)
    if not held:
        return DlqFacts(count, None)
    # The first record that is not older than 1970: the first one.
    stamps = [found.timestamp for found in _listed(client, held, _at.for_timestamp(0)).values()]
    oldest = min((stamp for stamp in stamps if stamp >= 0), default=None)
    age = None if oldest is None else max(0.0, time.time() - oldest / _MS)
    return DlqFacts(count, age)


def _offsets(client: KafkaClient, places: Iterable[Place], spec: Any) -> Offsets:
    return {place: found.offset for place, found in _listed(client, places, spec).items()}


def _listed(client: KafkaClient, places: Iterable[Place], spec: Any) -> dict[Place, ListOffsetsResultInfo]:
    asked = {TopicPartition(*place): spec for place in places}
    if not asked:
        return {}
    futures = client.admin.list_offsets(asked, request_timeout=client.seconds)
    return {(each.topic, each.partition): client.answer(future) for each, future in futures.items()}
