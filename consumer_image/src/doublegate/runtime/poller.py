"""The thread that polls Kafka, and nothing else: it never waits for a store.

Commits, pauses and resumes are asked for by the engine and carried out here, between polls, so that they
never cross a rebalance (librdkafka#4059).
"""

import logging
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition
from tenacity import retry, retry_if_exception_type, stop_after_delay, wait_exponential_jitter

from doublegate.runtime.partition import TopicPartitionKey
from doublegate.runtime.sent_commits import SentCommits

__all__ = ["Assigned", "Listener", "Poller"]

log = logging.getLogger(__name__)

T = TypeVar("T")

_BATCH = 2000
_POLL_SECONDS = 0.02
_SOFT_WAIT_SECONDS = 0.5
"""Full for shorter than this: just don't poll. Pausing throws the client's prefetched records away."""
_METADATA_SECONDS = 10.0
_PATIENCE_SECONDS = 60.0
_ENDS_SECONDS = 1.0
_OUT_OF_RANGE = frozenset({KafkaError._AUTO_OFFSET_RESET, KafkaError.OFFSET_OUT_OF_RANGE})  # noqa: SLF001 - its name


@dataclass(frozen=True, slots=True)
class Assigned:
    """A partition that came: where the client starts, and what the last commit's metadata said."""

    name: TopicPartitionKey
    position: int
    metadata: str


class Listener(Protocol):
    """What the poller tells the engine; every call is quick but `drain`."""

    def assigned(self, partitions: list[Assigned]) -> None:
        """These came; their records follow."""

    def drain(self, names: list[TopicPartitionKey]) -> Mapping[TopicPartitionKey, tuple[int, str]]:
        """These will be taken away: finish or release their records, in bounded time; returns the commits."""

    def lost(self, names: list[TopicPartitionKey]) -> None:
        """These are another member's already."""

    def arrived(self, messages: list[Message]) -> None:
        """A batch, in delivery order."""

    def room(self, timeout: float) -> int:
        """How many more records the reservoir takes, waiting up to `timeout` seconds for some."""

    def skipped(self, name: TopicPartitionKey, error: str) -> None:
        """Records were gone before they could be read: a named loss."""

    def broken(self, error: Exception) -> None:
        """The poller can't go on."""


class Poller:
    """Owns the Kafka consumer and its thread."""

    def __init__(self, config: Mapping[str, object], topics: list[str], listener: Listener) -> None:
        self._listener = listener
        self._topics = topics
        assignors = str(config.get("partition.assignment.strategy", "range"))
        self._eager = config.get("group.protocol") != "consumer" and "cooperative" not in assignors
        self._consumer = Consumer(
            {
                **config,
                "enable.auto.commit": False,
                "enable.auto.offset.store": False,
                "auto.offset.reset": "error",  # an offset out of range is a named loss, never silent
                "isolation.level": "read_committed",
                "queued.max.messages.kbytes": 32 * 1024,
                "queued.min.messages": 20_000,
                "fetch.queue.backoff.ms": 5,  # its default rests a second once so many are queued
                "on_commit": self._committed,
            }
        )
        self._lock = threading.Lock()
        self._seeks: dict[TopicPartitionKey, tuple[int, Callable[[], None]]] = {}
        self._commits: dict[TopicPartitionKey, tuple[int, str]] = {}
        self._confirm: list[tuple[list[TopicPartition], Callable[[str | None], None]]] = []
        self._paused: set[TopicPartitionKey] = set()
        self._assigned: set[TopicPartitionKey] = set()
        self._stopping = threading.Event()
        self._next_ends = 0.0
        self._sent = SentCommits()
        self._failure: KafkaException | None = None
        self.full = False
        """Everything is paused because the reservoir is full."""
        self.joined = False
        """The group has told us our partitions, be they none."""
        self.ends: dict[TopicPartitionKey, int] = {}
        """The log's end of each assigned partition, as fetched last."""
        self._thread = threading.Thread(target=self._run, name="poller", daemon=True)

    def start(self) -> None:
        """Join the group."""
        self._thread.start()

    def stop(self, timeout: float) -> bool:
        """Drain, commit, leave the group; whether that ended within `timeout` seconds."""
        self._stopping.set()
        self._thread.join(timeout)
        return not self._thread.is_alive()

    @property
    def alive(self) -> bool:
        """Whether the thread runs."""
        return self._thread.is_alive()

    def seek(self, name: TopicPartitionKey, offset: int, done: Callable[[], None] = lambda: None) -> None:
        """Have a partition delivered from `offset` on; `done` is called when what is there has gone."""
        with self._lock:
            self._seeks[name] = offset, done

    def commit(self, commits: Mapping[TopicPartitionKey, tuple[int, str]]) -> None:
        """Commit offset and metadata of each partition soon; a later request replaces an earlier one."""
        with self._lock:
            self._commits.update(commits)

    def confirm(
        self, commits: Mapping[TopicPartitionKey, tuple[int, str]], done: Callable[[str | None], None]
    ) -> None:
        """Commit synchronously, and say whether the coordinator accepted: None, or the error.

        An epoch is valid only after such a commit: a member that was fenced in the meantime learns it here.
        """
        with self._lock:
            self._confirm.append((_offsets(commits), done))

    def _run(self) -> None:
        consumer = self._consumer
        try:
            consumer.subscribe(
                self._topics, on_assign=self._on_assign, on_revoke=self._on_revoke, on_lost=self._on_lost
            )
            while not self._stopping.is_set():
                self._carry_out()
                self._look_at_ends()
                room = self._make_room()
                self._hand_over(consumer.consume(min(room, _BATCH) or 1, _POLL_SECONDS))
                if self._failure is not None:
                    self._listener.broken(self._failure)
                    return
        except Exception as error:  # noqa: BLE001 - the thread's end must not pass unseen
            self._listener.broken(error)
        finally:
            self._leave()

    def _leave(self) -> None:
        try:
            self._carry_out()
            self._consumer.close()  # runs on_revoke: drain and commit
        except Exception as error:  # noqa: BLE001 - the thread's end must not pass unseen
            self._listener.broken(error)

    def _hand_over(self, messages: list[Message]) -> None:
        if not messages:
            return
        good = [m for m in messages if m.error() is None]
        if len(good) != len(messages):
            for message in messages:
                if (error := message.error()) is not None:
                    self._failed(message, error)
        if good:
            self._listener.arrived(good)

    def _failed(self, message: Message, error: KafkaError) -> None:
        topic, partition = message.topic(), message.partition()
        if error.code() in _OUT_OF_RANGE and topic is not None:
            name = TopicPartitionKey(topic, partition if partition is not None else -1)
            low = _earliest(self._consumer, name)
            self._listener.skipped(name, f"{error.str()}; going on at the earliest offset, {low}")
            self._consumer.seek(TopicPartition(*name, low))
        elif error.fatal():
            raise KafkaException(error)
        else:
            log.warning("kafka: %s", error.str())

    def _make_room(self) -> int:
        """Wait for room; pause everything when there is none for long, so that polling can go on."""
        room = self._listener.room(0.0 if self.full else _SOFT_WAIT_SECONDS)
        self.full = not room
        if room and self._paused:
            self._consumer.resume(self._partitions(self._paused & self._assigned))
            self._paused.clear()
        elif not room and (flowing := self._assigned - self._paused):  # new assignments inherit the pause
            self._consumer.pause(self._partitions(flowing))
            self._paused |= flowing
        return room

    def _carry_out(self) -> None:
        with self._lock:
            seeks, self._seeks = self._seeks, {}
            commits, self._commits = self._commits, {}
            confirm, self._confirm = self._confirm, []
        for offsets, done in confirm:
            ours = all(TopicPartitionKey(o.topic, o.partition) in self._assigned for o in offsets)
            # The coordinator takes commits of any member, also for partitions that are another's by now.
            done(self._commit_now(offsets) if ours else "partitions went away meanwhile")
        if commits:
            offsets = [
                o for o in _offsets(commits) if TopicPartitionKey(o.topic, o.partition) in self._assigned
            ]
            if offsets:
                self._sent.sent({n: c for n, c in commits.items() if n in self._assigned})
                try:
                    self._consumer.commit(offsets=offsets, asynchronous=True)
                except KafkaException as error:
                    log.warning("commit: %s; it is sent again", error)
        for name, (offset, gone) in seeks.items():
            if name in self._assigned:
                self._go(name, offset, gone)

    def _go(self, name: TopicPartitionKey, offset: int, done: Callable[[], None]) -> None:
        try:
            self._consumer.seek(TopicPartition(*name, offset))
        except KafkaException as error:  # it was assigned a moment ago and is not fetched yet
            log.debug("seek: %s; tried again", error)
            with self._lock:
                self._seeks.setdefault(name, (offset, done))
        else:
            done()

    def _commit_now(self, offsets: list[TopicPartition]) -> str | None:
        try:
            results = self._consumer.commit(offsets=offsets, asynchronous=False)
        except KafkaException as error:
            return str(error.args[0])
        errors = [str(r.error) for r in results or [] if r.error is not None]
        return "; ".join(errors) or None

    def _on_assign(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        self.joined = True
        try:
            assigned = [_start_of(consumer, p) for p in _asked(consumer.committed, partitions)]
        except KafkaException as error:
            self._failure = error  # an exception raised in a callback of the client would lose its type
            return
        starts = [TopicPartition(*a.name, a.position) for a in assigned]
        # Not paused here, though nothing may start before its epoch is confirmed: a pause so close to an
        # assignment may stay for ever (librdkafka#5591). The engine keeps what comes too early.
        self._listener.assigned(assigned)
        (consumer.assign if self._eager else consumer.incremental_assign)(starts)
        self._assigned.update(a.name for a in assigned)

    def _on_revoke(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        names = [TopicPartitionKey(p.topic, p.partition) for p in partitions]
        commits = self._listener.drain(names)
        self._forget(names)
        if commits and (error := self._commit_now(_offsets(commits))):
            log.warning("commit at revocation: %s; the next owner asks the ledger", error)
        self._unassign(consumer, partitions)

    def _on_lost(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        names = [TopicPartitionKey(p.topic, p.partition) for p in partitions]
        self._forget(names)
        self._listener.lost(names)
        self._unassign(consumer, partitions)

    def _unassign(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        if self._eager:  # all of them go at each rebalance
            consumer.unassign()
        elif partitions:
            consumer.incremental_unassign(partitions)

    def _look_at_ends(self) -> None:
        now = time.monotonic()
        if now < self._next_ends:
            return
        self._next_ends = now + _ENDS_SECONDS
        self._commit_again()
        ends = {}
        for name in self._assigned:
            _, end = self._consumer.get_watermark_offsets(TopicPartition(*name), cached=True)
            if end >= 0:
                ends[name] = end
        self.ends = ends

    def _commit_again(self) -> None:
        """What was refused, in a rebalance say, or never answered, or overtaken by an older one."""
        with self._lock:
            self._commits = self._sent.again() | self._commits

    def _forget(self, names: list[TopicPartitionKey]) -> None:
        if paused := self._paused & set(names):
            # The client keeps a pause beyond the assignment: coming back, they would stand still for ever.
            self._consumer.resume(self._partitions(paused))
        self._assigned.difference_update(names)
        self._paused.difference_update(names)
        with self._lock:
            for name in names:
                self._commits.pop(name, None)
        self._sent.forget(names)

    def _partitions(self, names: set[TopicPartitionKey]) -> list[TopicPartition]:
        return [TopicPartition(*name) for name in names]

    def _committed(self, error: KafkaError | None, partitions: list[TopicPartition]) -> None:
        refused = [p for p in partitions or () if error is not None or p.error is not None]
        first = error or next((p.error for p in refused), None)
        if first is not None and first.code() != KafkaError._NO_OFFSET:  # noqa: SLF001
            log.warning("commit: %s; it is sent again", first.str())
        for taken in partitions or () if error is None else ():
            if taken.error is None:
                self._sent.taken(TopicPartitionKey(taken.topic, taken.partition), taken.offset)


@retry(
    retry=retry_if_exception_type(KafkaException),
    stop=stop_after_delay(_PATIENCE_SECONDS),
    wait=wait_exponential_jitter(max=2.0),
    reraise=True,
)
def _asked(ask: Callable[..., T], *arguments: Any) -> T:
    """Ask the brokers, again while a partition has no leader yet or a broker is away."""
    return ask(*arguments, timeout=_METADATA_SECONDS)


def _earliest(consumer: Consumer, name: TopicPartitionKey) -> int:
    low, _ = _asked(consumer.get_watermark_offsets, TopicPartition(*name))
    return int(low)


def _start_of(consumer: Consumer, committed: TopicPartition) -> Assigned:
    """Where to begin: at the commit, or at the earliest record where there is none."""
    name = TopicPartitionKey(committed.topic, committed.partition)
    position = committed.offset if committed.offset >= 0 else _earliest(consumer, name)
    return Assigned(name, position, committed.metadata or "")


def _offsets(commits: Mapping[TopicPartitionKey, tuple[int, str]]) -> list[TopicPartition]:
    return [TopicPartition(*name, offset, metadata) for name, (offset, metadata) in commits.items()]
