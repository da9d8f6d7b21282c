"""What became of a replay: waits until the group has passed what was sent, and counts what failed again."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from confluent_kafka import Consumer, TopicPartition

from doublegate.deadletters.letters import read_letter
from doublegate.deadletters.scan import scan, topic_bounds

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from doublegate.deadletters.replay import Replay, ReplayReport

__all__ = ["Outcome", "await_outcome"]

POLL_SECONDS = 1.0
CALL_SECONDS = 10.0

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Outcome:
    """Of the letters that a replay sent.

    Attributes:
        done: performed, or proven to be performed already.
        failed_again: dead letters again.
    """

    done: int
    failed_again: int


def await_outcome(
    replay: Replay, report: ReplayReport, *, sleep: Callable[[float], None] = time.sleep
) -> Outcome:
    """Wait for the group, as long as it takes: a paused one takes its time.

    The group has passed a record of the replay topic when it is DONE, a proven duplicate of it, or a dead
    letter again that carries this replay's id. So what did not fail again is done.

    Raises:
        TopicUnreadable: A topic is not there, or its broker does not answer.
    """
    ends = {p: high for p, (low, high) in topic_bounds(replay.config, replay.target).items() if high > low}
    onlooker = Consumer({**replay.config, "group.id": replay.group}, logger=_log)  # it never joins
    try:
        while not _passed(onlooker, replay.target, ends):
            sleep(POLL_SECONDS)
    finally:
        onlooker.close()
    failed = set()  # of all letters: a run that goes on may be past some that an earlier one caused
    for message in scan(replay.config, replay.dlq):
        letter = read_letter(message, replay.read_id)
        if replay.replay_id in letter.replay_ids:
            failed.add(letter.event_id or letter.position)
    return Outcome(report.replayed - len(failed), len(failed))


def _passed(onlooker: Consumer, topic: str, ends: Mapping[int, int]) -> bool:
    asked = [TopicPartition(topic, partition) for partition in ends]
    committed: list[Any] = onlooker.committed(asked, timeout=CALL_SECONDS) if asked else []
    return all(one.offset >= ends[one.partition] for one in committed)
