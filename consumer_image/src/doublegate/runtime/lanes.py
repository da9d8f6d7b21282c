"""Order: which claimed record may start next.

A lane keeps the order of its keys: at most one unit of it is with a worker. Records wait unclaimed in the
reservoir, in arrival order; behind a lane that can't go on they wait in the lane, so that other lanes pass.
"""

from collections import deque
from collections.abc import Iterable, Iterator

from doublegate.runtime.record import Record

__all__ = ["Lane", "Lanes"]


class Lane:
    """One lane.

    Attributes:
        waiting: unclaimed records that arrived while the lane could not take them.
        claimed: records that may start, in order; a retry goes back to the left.
        busy: a unit of this lane is with a worker.
        blocked: how many of its records wait for a time (a retry's backoff, a parked claim).
    """

    __slots__ = ("blocked", "busy", "claimed", "queued", "revived", "waiting")

    def __init__(self) -> None:
        self.waiting: deque[Record] = deque()
        self.claimed: deque[Record] = deque()
        self.busy = False
        self.blocked = 0
        self.queued = False
        self.revived = False


class Lanes:
    """The reservoir and its lanes.

    Args:
        count: lanes; keys are spread over them by hash.
    """

    def __init__(self, count: int) -> None:
        self._lanes = [Lane() for _ in range(count)]
        self._reservoir: deque[Record] = deque()
        self._ready: deque[Lane] = deque()
        self._revived: deque[Lane] = deque()
        self.claimed = 0
        """Claimed records that no worker has yet."""
        self.doomed: list[Record] = []
        """Records whose turn has come, and that no attempt would help; their lanes wait for `release`."""

    def __len__(self) -> int:
        return len(self._lanes)

    def arrive(self, records: Iterable[Record]) -> None:
        """Put unclaimed records into the reservoir."""
        self._reservoir.extend(records)

    @property
    def has_unclaimed(self) -> bool:
        """Whether a claim could be asked for."""
        return bool(self._reservoir or self._revived)

    def to_claim(self, count: int, per_lane: int) -> Iterator[Record]:
        """Take up to `count` records to claim, in order, passing lanes that are stuck or have `per_lane`."""
        while count > 0 and self._revived:
            lane = self._revived[0]
            if lane.waiting and not lane.blocked and len(lane.claimed) < per_lane:
                count -= 1
                yield lane.waiting.popleft()
            else:
                lane.revived = False
                self._revived.popleft()
        lanes = self._lanes
        reservoir = self._reservoir
        while count > 0 and reservoir:
            record = reservoir.popleft()
            lane = lanes[record.lane]
            if lane.blocked or lane.waiting or len(lane.claimed) >= per_lane:
                lane.waiting.append(record)
                continue
            count -= 1
            yield record

    def start(self, record: Record) -> None:
        """A claim was granted: the record may start when its turn comes."""
        lane = self._lanes[record.lane]
        lane.claimed.append(record)
        self.claimed += 1
        self._offer(lane)

    def start_in_order(self, record: Record) -> None:
        """As `start`, for a record whose claim came later than those of records behind it."""
        lane = self._lanes[record.lane]
        _place(lane.claimed, record)
        self.claimed += 1
        self._offer(lane)

    def go_back(self, records: list[Record]) -> None:
        """Put claimed records back at the head of their lanes, in their order."""
        for record in reversed(records):
            lane = self._lanes[record.lane]
            lane.claimed.appendleft(record)
            self.claimed += 1
            self._offer(lane)

    def block(self, record: Record) -> None:
        """The record's lane must wait for it."""
        self._lanes[record.lane].blocked += 1

    def unblock(self, record: Record) -> None:
        """The wait is over."""
        lane = self._lanes[record.lane]
        lane.blocked -= 1
        self._offer(lane)

    def take_unit(self, size: int) -> list[Record]:
        """Up to `size` records that may start now; their lanes are busy until `release`."""
        unit: list[Record] = []
        ready = self._ready
        while ready and len(unit) < size:
            lane = ready.popleft()
            lane.queued = False
            claimed = lane.claimed
            if lane.busy or lane.blocked or not claimed:
                continue
            lane.busy = True
            if _is_doomed(claimed[0]):
                self.doomed.append(claimed.popleft())
                self.claimed -= 1
                continue
            for _ in range(min(len(claimed), size - len(unit))):
                if _is_doomed(claimed[0]):
                    break
                unit.append(claimed.popleft())
        self.claimed -= len(unit)
        return unit

    def release(self, records: Iterable[Record]) -> None:
        """A unit ended: its lanes may go on."""
        for index in {record.lane for record in records}:
            lane = self._lanes[index]
            lane.busy = False
            self._offer(lane)

    def drop(self, record: Record) -> None:
        """A claimed record needs no start any more."""
        lane = self._lanes[record.lane]
        lane.claimed.remove(record)
        self.claimed -= 1
        self._offer(lane)

    def withdraw_key(self, lane: int, key: bytes | None) -> list[Record]:
        """Take back the claimed records of one key that no worker has, in their order."""
        claimed = self._lanes[lane].claimed
        taken = [record for record in claimed if record.message.key() == key]
        if taken:
            kept = [record for record in claimed if record.message.key() != key]
            claimed.clear()
            claimed.extend(kept)
            self.claimed -= len(taken)
        return taken

    def withdraw(self) -> list[Record]:
        """Take back every claimed record that no worker has (their claims are void or must be released)."""
        taken: list[Record] = []
        for lane in self._lanes:
            taken.extend(lane.claimed)
            lane.claimed.clear()
        self.claimed = 0
        return taken

    def requeue(self, records: list[Record]) -> None:
        """Put withdrawn records before everything that waits unclaimed, in their partition's order."""
        for record in reversed(records):
            lane = self._lanes[record.lane]
            _place(lane.waiting, record)
            self._offer(lane)

    def forget(self, gone: "Iterable[Record]") -> None:
        """Drop records whose partition was given up."""
        dropped = {id(record) for record in gone}
        if not dropped:
            return
        self._reservoir = deque(r for r in self._reservoir if id(r) not in dropped)
        for lane in self._lanes:
            if lane.waiting:
                lane.waiting = deque(r for r in lane.waiting if id(r) not in dropped)
            if lane.claimed:
                kept = deque(r for r in lane.claimed if id(r) not in dropped)
                self.claimed -= len(lane.claimed) - len(kept)
                lane.claimed = kept
            self._offer(lane)

    def _offer(self, lane: Lane) -> None:
        if lane.busy or lane.blocked:
            return
        if lane.claimed and not lane.queued:
            lane.queued = True
            self._ready.append(lane)
        if lane.waiting and not lane.revived:
            lane.revived = True
            self._revived.append(lane)


def _is_doomed(record: Record) -> bool:
    return record.result is not None and record.result.final


def _place(queue: deque[Record], record: Record) -> None:
    """Insert where its partition's order wants it; at the head if nothing of its partition is there."""
    place = 0
    for index, other in enumerate(queue):
        if other.partition is record.partition:
            if other.offset > record.offset:
                place = index
                break
            place = index + 1
    queue.insert(place, record)
