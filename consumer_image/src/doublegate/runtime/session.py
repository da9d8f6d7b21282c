"""The owner's session: a lease in the ledger, renewed by a heartbeat, watched by every effect."""

import logging
import threading
import time
from collections.abc import Callable

from doublegate.gate.ledger_errors import LedgerError, LedgerReplaced
from doublegate.gate.ledger_protocol import LedgerApi
from doublegate.gate.ledger_types import SessionStatus

__all__ = ["NoLease", "Session"]

log = logging.getLogger(__name__)


class NoLease:
    """For `onUnavailable: Bypass`: the inbox alone decides, whether or not the ledger can be reached."""

    def alive(self) -> bool:
        """An effect may always start."""
        return True


class Session:
    """Keeps the session alive on a thread of its own, so that a long handler loses nothing.

    The lease is counted from before the renewal was sent, on the monotonic clock, which goes on while a
    process is stopped: a paused holder that wakes up late finds its lease over before the ledger does.

    A server that restarted or was replaced may lack writes although the session is there: its identity is
    looked at with each heartbeat, and another one counts as lost data.

    Args:
        ledger: where the session is.
        owner: 8 bytes, this process.
        lease: seconds.
        over: called on the heartbeat's thread when the ledger says that the session is over; True when the
            ledger lost data.
    """

    def __init__(self, ledger: LedgerApi, owner: bytes, lease: float, over: Callable[[bool], None]) -> None:
        self.owner = owner
        self.lease = lease
        self._ledger = ledger
        self._over = over
        self.data = ""
        """The ledger's name for the data that this session is part of."""
        self._identity = ""
        self._until = 0.0
        self._ends = 0
        self._kept = False
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="session", daemon=True)

    def start(self) -> None:
        """Start the heartbeat; the session begins with `begin`."""
        self._thread.start()

    def begin(self) -> None:
        """Register, or register again.

        Raises:
            LedgerReplaced: put back what the server may lack, `recognise` it, and try again.
            LedgerError: there is no session.
        """
        asked, ends = time.monotonic(), self._ends
        identity = self._ledger.identity()  # first: a failover after it is noticed by the heartbeat
        if self._identity and identity != self._identity:
            raise LedgerReplaced
        self._identity = identity
        former, self.data = self.data, self._ledger.register(self.owner)
        if former and former != self.data:
            raise LedgerReplaced
        with self._lock:
            self._kept = False
            if ends == self._ends:  # else it was ended meanwhile
                self._until = asked + self.lease

    def recognise(self) -> None:
        """What the server may lack is put back next; on the ledger's thread.

        Raises:
            LedgerError: it does not answer.
        """
        self._identity, self.data = self._ledger.identity(), ""

    def keep(self) -> None:
        """Renew it from now on, although no effect may start: nobody shall take over what is put back."""
        with self._lock:
            self._kept, self._until = True, 0.0  # what `begin` did before knows another server

    def alive(self) -> bool:
        """Whether an effect may start: nobody else can take our claims before this turns false."""
        return time.monotonic() < self._until

    def end(self) -> None:
        """No effect may start any more."""
        with self._lock:
            self._until = 0.0
            self._ends += 1
            self._kept = False

    def stop(self, timeout: float) -> None:
        """End the heartbeat and the session: what is still claimed may be taken over at once."""
        self._stopping.set()
        self._thread.join(timeout)
        self.end()
        try:
            self._ledger.retire(self.owner)
        except LedgerError as error:
            log.warning("session: not retired, it ends by itself in %.0f s: %s", self.lease, error)

    def _run(self) -> None:
        while not self._stopping.wait(self.lease / 4):
            self.beat()

    def beat(self) -> None:
        """Renew it, if there is one."""
        with self._lock:
            before = self._until, self._kept, self._ends
        if not any(before[:2]):
            return
        asked = time.monotonic()
        try:
            status = self._ledger.renew(self.owner)
            if status is SessionStatus.ALIVE and self._ledger.identity() != self._identity:
                status = SessionStatus.LOST
        except LedgerError as error:
            log.warning("session: not renewed: %s", error)
            return
        with self._lock:
            same = before == (
                self._until,
                self._kept,
                self._ends,
            )  # else it was ended, or begun anew, meanwhile
            if same and self._until:
                self._until = asked + self.lease if status is SessionStatus.ALIVE else 0.0
        if same and status is not SessionStatus.ALIVE:
            self._over(status is SessionStatus.LOST)
