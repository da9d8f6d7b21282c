"""What became of a replay: waits until the group has passed what was sent, and counts what failed again."""

from __future__ import annotations

import logging
import time
from collections import Counter, defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from confluent_kafka import Consumer, KafkaException, TopicPartition
from xxhash import xxh3_128_intdigest

from doublegate.deadletters.letters import StoredLetter, read_letter
from doublegate.deadletters.scan import TopicUnreadable, scan, topic_bounds
from doublegate.deadletters.selection import Verdict

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from doublegate.deadletters.replay import Replay, ReplayReport

__all__ = ["Outcome", "await_group", "await_outcome", "failed_again"]

POLL_SECONDS = 1.0
CALL_SECONDS = 10.0
PATIENCE_SECONDS = 300.0
"""So long the brokers may be away while the group works."""

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
        TopicUnreadable: A topic is not there, or its brokers are away for long.
    """
    ends = {p: high for p, (low, high) in topic_bounds(replay.config, replay.target).items() if high > low}
    onlooker = Consumer({**replay.config, "group.id": replay.group}, logger=_log)  # it never joins
    try:
        await_group(lambda: _passed(onlooker, replay.target, ends), replay.target, sleep)
    finally:
        onlooker.close()
    failed = failed_again(replay, report.position, lambda: _letters(replay))
    return Outcome(report.replayed - failed, failed)


def failed_again(
    replay: Replay, position: Mapping[int, int], letters: Callable[[], Iterator[StoredLetter]]
) -> int:
    """How many of the letters that were sent are dead letters again.

    A letter is told by its payload, which no replay changes; a conflict's id is changed. One that a killed
    run sent twice may have failed twice, and is one; an event may have two letters, which are two.

    Args:
        replay: what was sent.
        position: how far it came, by partition.
        letters: reads all that there are.
    """
    failures: dict[int, set[tuple[str, int, int]]] = defaultdict(set)
    for letter in letters():
        if letter.facts is not None and replay.replay_id in letter.replay_ids:
            facts = letter.facts  # where the record that failed was read: in the replay topic
            failures[_payload(letter)].add((facts.topic, facts.partition, facts.offset))
    if not failures:
        return 0
    sent: Counter[int] = Counter()
    for letter in letters():
        if letter.offset < position.get(letter.partition, 0) and (payload := _payload(letter)) in failures:
            sent[payload] += replay.selection.verdict(letter, replay.replay_id) is Verdict.REPLAY
    # The letter that was sent may have expired by now.
    return sum(min(len(places), max(1, sent[payload])) for payload, places in failures.items())


def _letters(replay: Replay) -> Iterator[StoredLetter]:
    return (read_letter(message, replay.read_id) for message in scan(replay.config, replay.dlq))


def _payload(letter: StoredLetter) -> int:
    return xxh3_128_intdigest(letter.value or b"")


def await_group(passed: Callable[[], bool], topic: str, sleep: Callable[[float], None]) -> None:
    """Ask until the group has passed; brokers that are away for a while are waited for, too.

    Args:
        passed: asks.
        topic: that the group reads.
        sleep: waits.

    Raises:
        TopicUnreadable: They are away for long.
    """
    heard = time.monotonic()
    while True:
        try:
            if passed():
                return
            heard = time.monotonic()
        except KafkaException as error:
            words = error.args[0].str()
            if time.monotonic() - heard > PATIENCE_SECONDS:
                raise TopicUnreadable(
                    f"topic {topic}: the group's offsets can't be read for {PATIENCE_SECONDS:.0f} s: {words}"
                ) from error
            _log.warning("topic %s: the group's offsets can't be read now: %s", topic, words)
        sleep(POLL_SECONDS)


def _passed(onlooker: Consumer, topic: str, ends: Mapping[int, int]) -> bool:
    asked = [TopicPartition(topic, partition) for partition in ends]
    committed: list[Any] = onlooker.committed(asked, timeout=CALL_SECONDS) if asked else []
    for one in committed:
        if one.error is not None:
            raise KafkaException(one.error)
    return all(one.offset >= ends[one.partition] for one in committed)
