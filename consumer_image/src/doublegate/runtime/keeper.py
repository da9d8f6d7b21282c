"""Keeps the inbox: its tables, its watermarks, and its size, on a thread of its own."""

import logging
import threading
from collections.abc import Mapping
from typing import Any

import psycopg

from doublegate.contract.errors import DoublegateError
from doublegate.gate.inbox import Inbox
from doublegate.runtime.executors_inbox_pools import InboxPools
from doublegate.runtime.partition import Partition

__all__ = ["InboxUnavailable", "Keeper"]

log = logging.getLogger(__name__)

_EVERY_SECONDS = 5.0
_PRUNE_ROWS = 5000


class InboxUnavailable(DoublegateError):
    """The inbox's database does not answer; try again later."""


class Keeper:
    """Writes watermarks and deletes what outlived its retention; what fails is tried again the next time."""

    def __init__(self, inbox: Inbox, pools: InboxPools) -> None:
        self.inbox = inbox
        self.pools = pools
        self._marks: dict[tuple[bytes, int], int] = {}
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._keep, name="inbox-keeper", daemon=True)

    def start(self) -> None:
        """Make the tables where they are missing, and start.

        Raises:
            InboxUnavailable: the database does not answer, or refuses.
        """
        try:
            with self._connect() as connection:
                self.inbox.migrate(connection)
        except psycopg.Error as error:
            raise InboxUnavailable(
                f"inbox: {str(error).strip()}; is the database of spec.inbox.secretRef up, and may its user "
                "create the tables?"
            ) from error
        self._thread.start()

    def stop(self, timeout: float) -> None:
        """Write the last watermarks and end."""
        self._stopping.set()
        self._thread.join(timeout)
        self.pools.close()

    def mark(self, marks: Mapping[Partition, int]) -> None:
        """From any thread: highest contiguous finished offsets, to be written soon."""
        with self._lock:
            self._marks.update({(p.topic_id, p.name.partition): mark for p, mark in marks.items()})

    def watermarks(self) -> dict[tuple[bytes, int], int]:
        """What the database knows, by (topic uuid, partition); from any thread.

        Raises:
            InboxUnavailable: try again later.
        """
        try:
            with self._connect() as connection:
                return self.inbox.watermarks(connection)
        except psycopg.Error as error:
            raise InboxUnavailable(f"inbox: {str(error).strip()}") from error

    def _connect(self) -> psycopg.Connection[Any]:
        return psycopg.connect(self.pools.conninfo, connect_timeout=5)

    def _keep(self) -> None:
        while not self._stopping.wait(_EVERY_SECONDS):
            self._round()
        self._round()

    def _round(self) -> None:
        with self._lock:
            marks, self._marks = self._marks, {}
        try:
            with self._connect() as connection:
                if marks:
                    self.inbox.advance(connection, marks)
                self.inbox.prune(connection, _PRUNE_ROWS)
        except psycopg.Error as error:
            log.warning("inbox: watermarks and retention wait: %s", error)
            with self._lock:
                self._marks = marks | self._marks
