"""Which partitions are ours, and proof of it: session, epochs, confirmation, drain."""

import logging
import math
import time
from collections.abc import Iterable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from enum import Enum, auto
from functools import partial

from doublegate.contract.errors import DoublegateError
from doublegate.gate.ledger_errors import LedgerReplaced
from doublegate.runtime.books import Books, Taken
from doublegate.runtime.filters import Filters
from doublegate.runtime.keeper import Keeper
from doublegate.runtime.mailbox import Mailbox, Timers
from doublegate.runtime.partition import Partition, TopicPartitionKey, decode_metadata
from doublegate.runtime.poller import Assigned, Poller
from doublegate.runtime.recent import in_doubt
from doublegate.runtime.record import Record, Stage
from doublegate.runtime.reprocess import Order, rewind
from doublegate.runtime.session import Session
from doublegate.runtime.state import State

__all__ = ["Commits", "Ownership"]

log = logging.getLogger(__name__)

_RETRY_SECONDS = 0.5
Commits = Mapping[TopicPartitionKey, tuple[int, str]]


@dataclass(slots=True)
class _Drain:
    """Partitions that are to be given up once what they started has ended."""

    partitions: list[Partition]
    busy: list[Record]
    release: int
    deadline: float
    done: "Future[Commits]"
    handed: bool = False


class _Recovery(Enum):
    """After a loss of data."""

    PUTTING_BACK = auto()
    WAITING = auto()  # for the others, who put back theirs


class Ownership:
    """Takes and gives up partitions; the engine's thread only, but where a method says otherwise.

    Args:
        topic_ids: the uuid of each subscribed topic, 16 bytes.
        replay_topic: the group's own.
        filters: gives each partition its filter.
        order: what runs again on purpose, if there is such.
        ttl: how long the ledger keeps DONE, seconds; so long a loss of data leaves doubts.
        drain_seconds: how long started effects may take to end at revocation.
        keeper: of the inbox, whose watermarks outlive the ledger's.
    """

    def __init__(
        self,
        state: State,
        books: Books,
        session: Session,
        mailbox: Mailbox,
        timers: Timers,
        *,
        topic_ids: Mapping[str, bytes],
        replay_topic: str,
        filters: Filters,
        order: Order | None,
        ttl: float,
        drain_seconds: float,
        keeper: Keeper | None,
    ) -> None:
        self._state = state
        self._books = books
        self._session = session
        self._mailbox = mailbox
        self._timers = timers
        self._topic_ids = topic_ids
        self._replay_topic = replay_topic
        self._filters = filters
        self._ttl = ttl
        self._order = order
        self._drain_seconds = drain_seconds
        self._keeper = keeper
        self._poller: Poller | None = None
        self._drains: list[_Drain] = []
        self._renewing = False
        self._recovery: _Recovery | None = None
        self._losses = 0
        self.suspended = True
        """No session: nothing may be claimed or started."""
        self.disputed = False
        """Somebody took the epoch of a partition of ours: nothing is claimed until we know whose it is."""

    def connect(self, poller: Poller) -> None:
        """Give it the consumer."""
        self._poller = poller

    @property
    def leased(self) -> bool:
        """Whether the session's lease covers an effect that starts now."""
        return self._session.alive()

    # --- partitions come

    def take(self, assigned: Iterable[Assigned]) -> None:
        """These were assigned; nothing of them starts until their epochs are taken and confirmed."""
        for a in assigned:
            data, finished = decode_metadata(a.position, a.metadata)
            partition = Partition(
                a.name,
                self._topic_ids[a.name.topic],
                a.position,
                finished,
                replay=a.name.topic == self._replay_topic,
            )
            partition.committed_under = data
            self._state.partitions[a.name] = partition
        self._prove()

    def session_over(self, lost: bool) -> None:
        """The ledger ended our session: every claim that has not started is void.

        Args:
            lost: the ledger lost data, rather than us being silent for too long.
        """
        if self._recovery is _Recovery.PUTTING_BACK or (self.suspended and not lost):
            return
        log.warning(
            "session over: %s; taking a new one",
            "the ledger lost it" if lost else "this process was silent for longer than the lease",
        )
        self.suspended = True
        self._session.end()
        self._take_back()
        for partition in self._state.partitions.values():
            partition.active = False
        if lost:
            self._state.lost_until = time.monotonic() + self._ttl
            self._losses += 1
            self._recover()
        else:
            self._prove()

    def superseded(self, partitions: Iterable[Partition]) -> None:
        """The ledger has newer epochs of these than ours, so they need proof again.

        Either they are somebody else's and we have not been told, or a member that lost them took the epochs
        before it was told: the coordinator confirms only the one who has them.
        """
        doubted = [p for p in partitions if self._state.partitions.get(p.name) is p and p.active]
        if self.suspended or not doubted:
            return
        log.warning(
            "newer epochs are in the ledger of %s; taking new ones",
            ", ".join("{}[{}]".format(*p.name) for p in doubted),
        )
        self.disputed = True
        self._take_back()
        for partition in doubted:
            partition.active = False
        self._prove()

    def _take_back(self) -> None:
        """What has its claim and has not started waits again."""
        void = self._state.lanes.withdraw()
        for record in void:
            record.stage = Stage.WAITING
        self._state.lanes.requeue(void)

    def _recover(self) -> None:
        """Put back what the ledger lost, let the others do so for one lease, then go on.

        An exchange that is under way comes first: it may end claims that would be put back for ever.
        """
        self._recovery = _Recovery.PUTTING_BACK
        self._books.run_alone(
            self._put_back, self._held, answer=self._wait_for_others, failed=self._not_put_back
        )

    def _not_put_back(self, error: DoublegateError) -> None:
        log.warning("ledger: what it lost is not put back yet: %s; trying again", error)
        self._timers.after(_RETRY_SECONDS, self._books.rest)

    def _held(self) -> list[Record]:
        """What has a claim that must outlive the loss.

        What waits for another attempt after an unknown one is put back too, or its mark would be lost; and
        what still runs although its partition is gone. What was dropped is not: nobody would release it.
        """
        for partition in self._state.partitions.values():
            partition.grant = -1
        ours = (r for p in self._state.partitions.values() for r in p.pending)
        held = [
            r
            for r in (*ours, *self._state.running_elsewhere.values())
            if (r.stage >= Stage.RUNNING or (in_doubt(r) and r.stage is not Stage.DROPPED))
            and not r.finished
            and not r.claimless
        ]
        for record in held:
            record.proven = False  # it has a claim now, which somebody must release
        return held

    def _put_back(self, held: list[Record]) -> None:
        """On the ledger's thread."""
        self._session.recognise()
        self._books.tell_again(held)
        self._session.keep()

    def _wait_for_others(self, _: None) -> None:
        self._recovery = _Recovery.WAITING
        self._books.watermark(self._state.watermarks(self._state.partitions))
        self._timers.after(self._session.lease, self._recovered, self._losses)

    def _recovered(self, losses: int) -> None:
        if losses == self._losses:  # else it lost data again meanwhile
            self._recovery = None
            self._prove()

    def _prove(self) -> None:
        """Take the epochs of what isn't proven ours yet, under a live session."""
        waiting = [p for p in self._state.partitions.values() if not p.active]
        self.disputed = self.disputed and bool(waiting)
        if self._recovery is not None:
            return
        if self._renewing or (not waiting and self._session.alive()):
            self.suspended = self.suspended and not self._session.alive()
            return
        self._renewing = True
        confirm = partial(self._confirm, self._losses)
        self._books.run(self._take_epochs, waiting, answer=confirm, failed=self._unproven)

    def _take_epochs(self, partitions: list[Partition]) -> tuple[list[Partition], list[Taken]]:
        """On the ledger's thread."""
        if not self._session.alive():
            self._session.begin()
        taken = self._books.take_epochs(partitions)
        if self._keeper is not None:
            known = self._keeper.watermarks()
            names = [(p.topic_id, p.name.partition) for p in partitions]
            taken = [
                one._replace(watermark=max(one.watermark, known.get(name, -1)))
                for one, name in zip(taken, names, strict=True)
            ]
        for partition in partitions:
            if partition.seen is None:
                partition.seen = self._filters.load(partition, self._is_new)
            if self._order is not None and not partition.epoch:
                partition.again = self._order.left(
                    partition, self._books.mark(self._order.mark_of(partition))
                )
        return partitions, taken

    def _is_new(self, partition: Partition) -> bool:
        """On the ledger's thread: the group never had an owner for it, nor finished anything of its topic."""
        owned = bool(partition.committed_under)  # every owner commits before it starts anything
        return not owned and not self._books.has_marks(partition.topic_id, self._filters.partitions)

    def _confirm(self, losses: int, answer: tuple[list[Partition], list[Taken]]) -> None:
        partitions, taken = answer
        if losses != self._losses:  # the ledger does not know these epochs any more
            self._renewing = False
            self._prove()
            return
        self._state.data = self._session.data
        for partition, (epoch, watermark, grant) in zip(partitions, taken, strict=True):
            if not partition.epoch:  # later it is our own
                partition.granted_before = grant
                self._go_back(partition)
            partition.epoch = epoch
            partition.watermark = max(partition.watermark, watermark)
            self._look_for_loss(partition)
        ours = [p for p in partitions if self._state.partitions.get(p.name) is p]
        commits = {p.name: (p.advance(), p.metadata(self._state.data)) for p in ours}
        if not commits or self._poller is None:
            self._confirmed(losses, ours, None)
            return
        self._poller.confirm(commits, lambda error: self._mailbox.put(self._confirmed, losses, ours, error))

    def _go_back(self, partition: Partition) -> None:
        """To where an order begins, if it does."""
        start = rewind(partition)
        if start is None or self._poller is None:
            return
        log.info("%s[%d]: going back to offset %d, to run again what is ordered", *partition.name, start)
        partition.seeking = True

        def arrived() -> None:
            partition.seeking = False

        self._poller.seek(partition.name, start, lambda: self._mailbox.put(arrived))

    def _look_for_loss(self, partition: Partition) -> None:
        """The ledger is not the one that the last commit was made under: what came after that is in doubt."""
        before, partition.committed_under = partition.committed_under, ""
        if before and before != self._state.data[: len(before)]:
            log.warning(
                "%s[%d]: the ledger lost data, or may have, since the commit at %d: what was done after that "
                "may be done again; such events are counted and named",
                *partition.name,
                partition.delivered,
            )
            partition.doubt_end = math.inf  # until it is known where the log ended
            self._state.lost_until = time.monotonic() + self._ttl

    def _confirmed(self, losses: int, partitions: list[Partition], error: str | None) -> None:
        self._renewing = False
        if losses != self._losses:
            self._prove()
            return
        if error is not None:
            log.warning("the coordinator did not confirm our partitions: %s; asking again", error)
            self._timers.after(_RETRY_SECONDS, self._prove)
            return
        for partition in partitions:
            partition.active = True
        self.suspended = not self._session.alive()
        self._prove()  # more may have come meanwhile

    def _unproven(self, error: DoublegateError) -> None:
        self._renewing = False
        if isinstance(error, LedgerReplaced):
            self.session_over(lost=True)
            return
        log.warning("partitions wait for the ledger: %s", error)
        self._timers.after(_RETRY_SECONDS, self._prove)

    def see_ends(self, ends: Mapping[TopicPartitionKey, int]) -> None:
        """Where the logs end: what comes after that was not there when the ledger lost data."""
        for name, end in ends.items():
            partition = self._state.partitions.get(name)
            if partition is not None and partition.doubt_end == math.inf:
                partition.doubt_end = end

    # --- partitions go

    def drain(self, names: Iterable[TopicPartitionKey], done: "Future[Commits]") -> None:
        """Give these up: release what has not started, wait for what has, answer with the commits."""
        partitions = [p for n in names if (p := self._state.partitions.get(n)) is not None]
        busy: list[Record] = []
        released = self._books.release(())
        for partition in partitions:
            release, running = self._state.revoke(partition)
            released = self._books.release(release)
            busy += running
        self._drains.append(_Drain(partitions, busy, released, time.monotonic() + self._drain_seconds, done))

    def fence(self) -> None:
        """From the poller's thread: partitions are somebody else's already, so nothing may start any more."""
        self._session.end()

    def lose(self, names: Iterable[TopicPartitionKey]) -> None:
        """These are somebody else's already; a member that lost one has, as a rule, lost all."""
        for name in names:
            if (partition := self._state.partitions.pop(name, None)) is not None:
                release, _ = self._state.revoke(partition)
                self._books.release(release)
        self.session_over(lost=False)

    def check_drains(self, now: float) -> None:
        """Finish the drains whose effects ended, or whose time is up."""
        for drain in list(self._drains):
            busy = [r for r in drain.busy if not r.finished and r.stage is not Stage.DROPPED]
            flushed = self._books.has_released(drain.release)  # not idle: others' events keep it busy
            if not busy and not drain.handed:
                drain.handed = True
                for partition in drain.partitions:
                    # What was not started need not count as unknown; after a loss there is no grant to lower.
                    if partition.asked_grant and self._recovery is None:
                        drain.release = self._books.hand_over(partition, _last_started(partition))
                flushed = self._books.has_released(drain.release)
            if (busy or not flushed) and now < drain.deadline:
                continue
            if busy:
                log.warning(
                    "%d effects still run after %.0f s; their claims stay held",
                    len(busy),
                    self._drain_seconds,
                )
            self._drains.remove(drain)
            commits = {p.name: (p.advance(), p.metadata(self._state.data)) for p in drain.partitions}
            for partition in drain.partitions:
                if self._state.partitions.get(partition.name) is partition:
                    del self._state.partitions[partition.name]
            drain.done.set_result(commits)
            self._hand_over_filters(drain.partitions)

    def _hand_over_filters(self, partitions: list[Partition]) -> None:
        kept = [(p, p.seen.snapshot()) for p in partitions if p.seen is not None]
        self._books.run(self._filters.keep, kept, answer=lambda _: None, failed=lambda _: None)


def _last_started(partition: Partition) -> int:
    """Up to where a partition that is handed over may hold effects that nobody can vouch for.

    What a former owner may have started counts until all of that has ended: it need not have its claim yet.
    """
    commit = partition.advance()
    ours = (r.offset for r in partition.pending if r.proven and r.unknown and not r.finished)
    return max([commit - 1, partition.granted_before, *ours])
