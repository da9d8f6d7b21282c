"""Fills the filter of a partition that came without one: reads the window's records again for their ids.

Only the claim mode that rests on the filters' proof needs it. Until it is done every event is claimed.
"""

import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from queue import Empty, SimpleQueue
from typing import NamedTuple, cast

from confluent_kafka import Consumer, KafkaException, Message, TopicPartition

from doublegate.contract.headers import Headers
from doublegate.contract.identity import IdProblem
from doublegate.gate.filter import PartitionFilter
from doublegate.gate.keys import Keyspace
from doublegate.runtime.mailbox import Mailbox
from doublegate.runtime.partition import Partition

__all__ = ["Reading", "Rereader"]

log = logging.getLogger(__name__)

_BATCH = 1000
_POLL_SECONDS = 0.5
_SILENCE_SECONDS = 30.0
_CALL_SECONDS = 10.0
_REST_SHARE = 1.0
"""Rests as long as it worked: the events at hand come first."""


class Reading(NamedTuple):
    """What to read again.

    Attributes:
        partition: whose filter is cold.
        past: takes the ids: empty, or what the last owner left.
        start: the first offset; None is the first record of the window.
        end: one past the last: where the partition's own filter began.
    """

    partition: Partition
    past: PartitionFilter
    start: int | None
    end: int


class Rereader:
    """One thread, one partition at a time.

    Args:
        config: of a Kafka consumer; it joins no group and commits nothing.
        read_id: reads the event id out of a record's headers.
        keyspace: the ledger's keys.
        window: seconds that a filter spans.
        mailbox: of the engine, which alone touches the partitions' filters.
    """

    def __init__(
        self,
        config: Mapping[str, object],
        read_id: Callable[[Headers | None], bytes | IdProblem],
        keyspace: Keyspace,
        window: float,
        mailbox: Mailbox,
    ) -> None:
        self._config = {
            **config,
            "enable.auto.commit": False,
            "auto.offset.reset": "earliest",
            "isolation.level": "read_committed",
            "queued.max.messages.kbytes": 4096,
        }
        self._read_id = read_id
        self._keyspace = keyspace
        self._window = window
        self._mailbox = mailbox
        self._wanted: SimpleQueue[Reading] = SimpleQueue()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="reread", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def stop(self, timeout: float) -> None:
        """End it; a filter that is half filled stays cold."""
        self._stopping.set()
        self._thread.join(timeout)

    def want(self, reading: Reading) -> None:
        """From any thread: have it read."""
        self._wanted.put(reading)

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                reading = self._wanted.get(timeout=_POLL_SECONDS)
            except Empty:
                continue
            try:
                self._read(reading)
            except KafkaException as error:
                log.warning("%s[%d]: its filter stays cold: %s", *reading.partition.name, error.args[0].str())

    def _read(self, reading: Reading) -> None:
        name, began = reading.partition.name, time.monotonic()
        consumer = Consumer(self._config)
        try:
            start = reading.start if reading.start is not None else self._window_start(consumer, reading)
            count = 0
            if start < reading.end:
                consumer.assign([TopicPartition(*name, start)])
                count = self._learn(consumer, reading, start)
            if count >= 0:
                seconds = time.monotonic() - began
                log.info("%s[%d]: filter is filled with %d records in %.1f s", *name, count, seconds)
                self._mailbox.put(_adopt, reading)
        finally:
            consumer.close()

    def _window_start(self, consumer: Consumer, reading: Reading) -> int:
        """The first record of the window; the end where none is so young."""
        since = int((time.time() - self._window) * 1000)
        asked = [TopicPartition(*reading.partition.name, since)]
        found = consumer.offsets_for_times(asked, timeout=_CALL_SECONDS)[0].offset
        return found if found >= 0 else reading.end

    def _learn(self, consumer: Consumer, reading: Reading, start: int) -> int:
        """Read up to the end; how many records that were, -1 when it was given up."""
        count, position, heard = 0, start, time.monotonic()
        while position < reading.end:
            if self._stopping.is_set() or reading.partition.revoked:
                return -1
            began = time.monotonic()
            messages = [m for m in consumer.consume(_BATCH, _POLL_SECONDS) if m.error() is None]
            if messages:
                heard = time.monotonic()
                self._add(reading.past, messages, reading.end)
                count += len(messages)
                position = (messages[-1].offset() or 0) + 1
                self._stopping.wait((time.monotonic() - began) * _REST_SHARE)
            elif time.monotonic() - heard > _SILENCE_SECONDS:
                return count  # markers at the end of what there is to read
        return count

    def _add(self, past: PartitionFilter, messages: Sequence[Message], end: int) -> None:
        mine = [m for m in messages if (m.offset() or 0) < end]
        if not mine:
            return
        ids = [self._read_id(cast("Headers", m.headers() or [])) for m in mine]
        keys = self._keyspace.keys([one for one in ids if not isinstance(one, IdProblem)])
        age = max(0.0, time.time() - mine[-1].timestamp()[1] / 1000)
        past.learn(keys, now=time.monotonic() - age, last_offset=mine[-1].offset())


def _adopt(reading: Reading) -> None:
    """On the engine's thread: the filter has the whole window now."""
    seen = reading.partition.seen
    if seen is not None and not reading.partition.revoked:
        if reading.start is not None:
            reading.past.caught_up()
        seen.adopt(reading.past)
