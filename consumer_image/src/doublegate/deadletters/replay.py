"""Sends dead letters to `<group>.replay`, which only their group reads.

Progress is committed in Kafka under `<group>.dlq-replay.<replay id>` after each batch that the brokers have
acknowledged, so a replay that was stopped, by SIGKILL too, goes on under its id where it was. What it sends a
second time then is a duplicate to the ledger. The commit's metadata carries the counts so far.
"""

from __future__ import annotations

import json
import logging
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition

from doublegate.contract.errors import DoublegateError
from doublegate.deadletters.letters import read_letter
from doublegate.deadletters.scan import scan, topic_bounds
from doublegate.deadletters.selection import Selection, Verdict, headers_to_send

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from confluent_kafka import KafkaError, Message

    from doublegate.contract.gate_spec import IdentitySpec
    from doublegate.contract.headers import Headers
    from doublegate.deadletters.letters import StoredLetter

__all__ = ["Replay", "ReplayFailed", "ReplayReport"]

BATCH = 500
CALL_SECONDS = 10.0
FLUSH_SECONDS = 60.0
LARGEST_MESSAGE = 100_000_000  # the brokers set the limit, not this client

_log = logging.getLogger(__name__)


class ReplayFailed(DoublegateError):
    """A letter could not be sent; what was sent before is committed."""


@dataclass
class ReplayReport:
    """What a replay did, or with `dry_run` would do.

    Attributes:
        replay_id: resumes it.
        dry_run: nothing was sent.
        matched: letters that the filters let through.
        replayed: letters sent and acknowledged.
        skipped: letters that matched and were not sent, by why.
        complete: all letters were seen; false when the cap came first.
        position: next letter by partition.
    """

    replay_id: str
    dry_run: bool
    matched: int = 0
    replayed: int = 0
    skipped: dict[str, int] = field(default_factory=dict)
    complete: bool = True
    position: dict[int, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Replay:
    """One replay of a consumer's dead letters.

    Attributes:
        config: librdkafka's settings for a client.
        dlq: the dead-letter topic.
        group: the consumer group.
        identity: where event ids are.
        read_id: reads them.
        selection: which letters.
        replay_id: marks what it sends, and names its progress.
        dry_run: look, send nothing, commit nothing.
        rate: letters per second at most; None for as fast as the brokers take them.
        max_events: stop after so many were sent.
        go_on: count on from where a former run of the same id stopped.
        sleep: waits; replaced in tests.
    """

    config: Mapping[str, Any]
    dlq: str
    group: str
    identity: IdentitySpec
    read_id: Any
    selection: Selection
    replay_id: str
    dry_run: bool = False
    rate: float | None = None
    max_events: int | None = None
    go_on: bool = False
    sleep: Callable[[float], None] = time.sleep

    def run(self, on_progress: Callable[[ReplayReport], None] = lambda _: None) -> ReplayReport:
        """Send what is selected, up to where the topic ends now.

        Raises:
            ReplayFailed: A letter was not acknowledged, or the brokers did not keep the progress; the same
                replay id goes on from there.
            TopicUnreadable: The dead-letter or the replay topic is not there.
        """
        report = ReplayReport(self.replay_id, self.dry_run)
        topic_bounds(self.config, self.target)  # there, or a clear error before anything is sent
        progress = Consumer(
            {**self.config, "group.id": f"{self.group}.dlq-replay.{self.replay_id}"}, logger=_log
        )
        try:
            report.position = self._committed(progress, report)
            sender = _Sender(self.config, self.target, self.replay_id, self.identity)
            size = BATCH if self.rate is None else max(1, min(BATCH, int(self.rate)))
            began, before = time.monotonic(), report.replayed
            for message in scan(self.config, self.dlq, start=report.position):
                if self.max_events is not None and report.replayed + len(sender.batch) >= self.max_events:
                    report.complete = False
                    break
                self._take(message, sender, report)
                if len(sender.batch) >= size:
                    self._finish_batch(sender, report, progress)
                    on_progress(report)
                    self._pace(report.replayed - before, began)
            self._finish_batch(sender, report, progress)
        except KafkaException as error:
            raise ReplayFailed(
                f"{self.dlq}: the progress can't be kept: {error.args[0].str()}; run it again with "
                f"--replay-id {self.replay_id} to go on"
            ) from error
        finally:
            progress.close()
        return report

    @property
    def target(self) -> str:
        """The group's replay topic."""
        return f"{self.group}.replay"

    def _take(self, message: Message, sender: _Sender, report: ReplayReport) -> None:
        letter = read_letter(message, self.read_id)
        verdict = self.selection.verdict(letter, self.replay_id)
        if verdict is Verdict.REPLAY:
            report.matched += 1
            sender.batch.append(letter)
        elif verdict is not Verdict.OTHER:
            report.matched += 1
            report.skipped[verdict.value] = report.skipped.get(verdict.value, 0) + 1
        report.position[letter.partition] = letter.offset + 1

    def _finish_batch(self, sender: _Sender, report: ReplayReport, progress: Consumer) -> None:
        count = len(sender.batch)
        if self.dry_run:
            sender.batch.clear()
        else:
            sender.send()
        report.replayed += count
        if self.dry_run or not report.position:
            return
        counts = json.dumps([report.matched, report.replayed, report.skipped])
        offsets = [TopicPartition(self.dlq, *place, counts) for place in report.position.items()]
        progress.commit(offsets=offsets, asynchronous=False)

    def _pace(self, sent: int, began: float) -> None:
        if self.rate is not None:
            ahead = sent / self.rate - (time.monotonic() - began)
            if ahead > 0:
                self.sleep(ahead)

    def _committed(self, progress: Consumer, report: ReplayReport) -> dict[int, int]:
        partitions = [
            TopicPartition(self.dlq, partition) for partition in topic_bounds(self.config, self.dlq)
        ]
        committed = progress.committed(partitions, timeout=CALL_SECONDS)
        told = [json.loads(one.metadata) for one in committed if one.offset >= 0 and one.metadata]
        if self.go_on and told:  # all of one commit, but for partitions that came later
            report.matched, report.replayed, report.skipped = max(told, key=lambda counts: counts[1])
        return {one.partition: one.offset for one in committed if one.offset >= 0}


class _Sender:
    """Sends batches and waits for their acknowledgement."""

    def __init__(self, config: Mapping[str, Any], topic: str, replay_id: str, identity: IdentitySpec) -> None:
        self._topic, self._replay_id, self._identity = topic, replay_id, identity
        self._producer = Producer(
            {
                **config,
                "acks": "all",
                "enable.idempotence": True,
                "partitioner": "murmur2_random",  # as dead letters are placed: a key's order is kept
                "message.max.bytes": LARGEST_MESSAGE,
                "linger.ms": 5,
            },
            logger=_log,
        )
        self.batch: list[StoredLetter] = []

    def send(self) -> None:
        """Send the batch; returns when all of it is acknowledged."""
        errors: list[str] = []

        def delivered(error: KafkaError | None, _: Message) -> None:
            if error is not None:
                errors.append(error.str())

        for letter in self.batch:
            headers: Headers = headers_to_send(letter, self._replay_id, self._identity)
            try:
                self._producer.produce(
                    self._topic, value=letter.value, key=letter.key, headers=[*headers], on_delivery=delivered
                )
            except (KafkaException, BufferError) as error:
                errors.append(f"letter {letter.position}: {error}")
        unsent = self._producer.flush(FLUSH_SECONDS) if self.batch else 0
        if errors or unsent:
            what = errors[0] if errors else f"{unsent} letters were not acknowledged in {FLUSH_SECONDS:.0f} s"
            raise ReplayFailed(
                f"{self._topic}: {what}; run it again with --replay-id {self._replay_id} to go on"
            )
        self.batch.clear()
