"""`onFailure: ParkKey`: after a dead letter, later events of its key follow it to the DLQ, in order.

The ledger holds a line of events for each key that waits: the one that failed, then those that came after it.
Only what has nothing before it may be performed; it leaves the line when it is DONE, so a replay of the line,
in whatever parts, keeps the key's order. An event joins its line before its dead letter is written, and
leaves it before its offset may be passed: a crash in between does either again.
"""

from collections import deque
from collections.abc import Callable, Mapping, Sequence

from doublegate.contract.deadletter import DeadLetterReason
from doublegate.contract.errors import DoublegateError
from doublegate.gate.ledger_protocol import LedgerApi
from doublegate.runtime.books import Books
from doublegate.runtime.letters import Letters
from doublegate.runtime.mailbox import Timers
from doublegate.runtime.record import Record, Stage
from doublegate.runtime.state import State

__all__ = ["Parking"]

_RETRY_SECONDS = 0.5
_WAITS = "an earlier event of its key is a dead letter; replay that first, or `doublegate dlq give-up` it"
_Letter = tuple[Record, DeadLetterReason, str]


class Parking:
    """Knows which keys wait; the engine's thread only.

    Args:
        ledger: keeps the lines.
        books: makes calls on the ledger's thread.
        letters: writes what is parked.
        state: the scope's keys, the lanes, and what is done.
        timers: for another try.
    """

    def __init__(
        self,
        ledger: LedgerApi,
        books: Books,
        letters: Letters,
        state: State,
        timers: Timers,
    ) -> None:
        self._ledger = ledger
        self._books = books
        self._letters = letters
        self._state = state
        self._timers = timers
        self._claim_for_letter: Callable[[Record, DeadLetterReason, str], None] = letters.write
        self._known: set[bytes] = set()
        """Lines that this process made, as long as an answer may not show them yet."""
        self._told: set[bytes] = set()
        """Those of them that the ledger has acknowledged."""
        self._visible: set[bytes] = set()
        self._asked: list[bytes] = []
        self._lines: Mapping[bytes, tuple[bytes, ...]] = {}
        self._started: dict[bytes, list[Record]] = {}
        """By line, what this process may perform or performs: it comes before what is let go after it."""
        self._queue: deque[_Letter] = deque()
        self._telling = False
        self._unwritten: dict[bytes, deque[_Letter]] = {}
        letters.acknowledged_hook = self._written
        books.ask_lines = self._ask
        books.settle_hook = self._leave

    def connect(self, claim_for_letter: Callable[[Record, DeadLetterReason, str], None]) -> None:
        """Give it what claims a record that ran without a claim."""
        self._claim_for_letter = claim_for_letter

    # --- an exchange asks for the lines of what it asks for

    def _ask(self, asked: Sequence[Record]) -> list[bytes]:
        self._visible = set(self._told)
        self._asked = [line for r in asked if (line := self._line(r)) is not None]
        return self._asked

    def answered(self, lines: Mapping[bytes, tuple[bytes, ...]]) -> None:
        """What stands in the lines that were asked for; holds until the next exchange."""
        for line in self._asked:
            if line in self._visible:  # what we made was there when the ledger looked
                self._known.discard(line)
                self._told.discard(line)
        self._lines = lines

    def stands_in_line(self, record: Record) -> bool:
        """Whether the last answer has the record in its key's line, which it must leave when it is DONE."""
        line = self._line(record)
        found = line is not None and record.key in self._lines.get(line, ())
        record.parked = record.parked or found
        return found

    def waits(self, record: Record) -> bool:
        """Whether an event of its key must end first that is not on its way before it in this process.

        A key's records share a lane, which keeps the order in which they are let go here.
        """
        line = self._line(record)
        if line is None:
            return False
        events = self._lines.get(line, ())
        member = self.stands_in_line(record)
        if not member and line in self._known:  # what stands there may not have been seen yet
            return True
        ahead = events[: events.index(record.key)] if member else events
        mine = self._on_their_way(line)
        if any(event not in mine for event in ahead):
            return True
        if events:
            self._started.setdefault(line, []).append(record)
        return False

    def _on_their_way(self, line: bytes) -> set[bytes]:
        started = [r for r in self._started.get(line, ()) if not r.finished and r.stage >= Stage.CLAIMED]
        if started:
            self._started[line] = started
        else:
            self._started.pop(line, None)
        return {record.key for record in started}

    # --- into a line

    def follow(self, record: Record) -> None:
        """Send a record after the earlier ones of its key, to the DLQ."""
        self._join_line(record, DeadLetterReason.PARKED, _WAITS)

    def write(self, record: Record, reason: DeadLetterReason, error: str) -> None:
        """Write a dead letter, and hold back what is claimed behind it."""
        if self.hold_back(record, reason, error):
            self.hold_back_lane(record)

    def hold_back(self, record: Record, reason: DeadLetterReason, error: str) -> bool:
        """Write a dead letter; whether it parks its key, so that `hold_back_lane` has to follow."""
        line = self._line(record)
        if line is None or reason is DeadLetterReason.CONFLICT or record.event_id.startswith(b"\0"):
            write = self._claim_for_letter if record.proven else self._letters.write
            write(record, reason, error)  # nothing of a key's order is lost with it
            return False
        self._join_line(record, reason, error)
        return True

    def hold_back_lane(self, head: Record) -> None:
        """Hold back what is claimed of a dead letter's key."""
        for follower in self._state.lanes.withdraw_key(head.lane, head.message.key()):
            self.follow(follower)

    def _join_line(self, record: Record, reason: DeadLetterReason, error: str) -> None:
        line = self._line(record)
        if line is None:
            raise RuntimeError("a record without a key has no line")
        if record in (started := self._started.get(line, [])):
            started.remove(record)
        self._known.add(line)
        self._told.discard(line)
        self._visible.discard(line)
        if record.proven:  # it ran under a grant: its letter waits for a claim, and comes here again
            self._claim_for_letter(record, reason, error)
            return
        record.stage = Stage.SETTLING
        self._queue.append((record, reason, error))
        self._tell()

    def _tell(self) -> None:
        if self._telling or not self._queue:
            return
        self._telling = True
        joining = list(self._queue)
        self._queue.clear()
        rows = [(line, r.key) for r, _, _ in joining if (line := self._line(r)) is not None]

        def told(_: None) -> None:
            self._telling = False
            waiting = {self._line(record) for record, _, _ in self._queue}
            self._told |= {line for line, _ in rows if line not in waiting}
            for letter in joining:
                self._write_in_order(letter)
            self._tell()

        def failed(_: DoublegateError) -> None:
            self._telling = False
            self._queue.extendleft(reversed(joining))
            self._timers.after(_RETRY_SECONDS, self._tell)

        self._books.run(self._park, rows, answer=told, failed=failed)

    def _park(self, rows: list[tuple[bytes, bytes]]) -> None:
        """On the ledger's thread; one row a line at a time, for a line's order is that of the calls."""
        while rows:
            now: dict[bytes, bytes] = {}
            later = []
            for line, event in rows:
                if line in now:
                    later.append((line, event))
                else:
                    now[line] = event
            self._ledger.park(list(now.items()))
            rows = later

    def _write_in_order(self, letter: _Letter) -> None:
        """One letter of a line at a time: a letter that has to be written again must not be overtaken."""
        line = self._line(letter[0])
        if line is None:
            raise RuntimeError("a record without a key has no line")
        if line in self._unwritten:
            self._unwritten[line].append(letter)
        else:
            self._unwritten[line] = deque()
            self._letters.write(*letter)

    def _written(self, record: Record) -> None:
        line = self._line(record)
        waiting = self._unwritten.get(line) if line is not None else None
        if line is None or waiting is None:
            return
        if waiting:
            self._letters.write(*waiting.popleft())
        else:
            del self._unwritten[line]

    # --- out of it

    def leave(self, record: Record) -> None:
        """It was DONE before, and still stands in its line."""
        record.stage = Stage.SETTLING
        if (line := self._line(record)) is not None:
            self._started.setdefault(line, []).append(record)  # what follows it may be let go
        self._take_out([record])

    def _leave(self, done: list[Record]) -> list[Record]:
        """Take what is DONE out of its line; returns the others, which are finished already."""
        leaving = [record for record in done if record.parked]
        if leaving:
            self._take_out(leaving)
            return [record for record in done if not record.parked]
        return done

    def _take_out(self, leaving: list[Record]) -> None:
        rows = [(line, r.key) for r in leaving if (line := self._line(r)) is not None]

        def told(_: None) -> None:
            for record in leaving:
                record.parked = record.proven = False
            # Said again: if the ledger lost it meanwhile, claims were put back that nobody else ends.
            self._books.complete(leaving)

        def failed(_: DoublegateError) -> None:
            self._timers.after(_RETRY_SECONDS, self._take_out, leaving)

        self._books.run(self._ledger.unpark, rows, answer=told, failed=failed)

    def _line(self, record: Record) -> bytes | None:
        """Of the record's key; None for a record without one, which has no order."""
        key = record.message.key()
        return None if key is None else self._state.local.keyspace.line(key)
