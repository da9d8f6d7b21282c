"""Applied positions out of the ledger: exact for each event, with no further writing by the consumers.

An entry that is DONE says that its effect is there, one that is FAILED that it is a dead letter. Where the
entry is gone by its time, the watermark of the partition stands for it.
"""

from collections.abc import Callable, Sequence
from threading import Lock
from typing import Any

from doublegate.consistency.positions import STORE_SECONDS, PositionsUnavailable, Progress
from doublegate.consistency.token import Token
from doublegate.contract.states import EntryState
from doublegate.gate.keys import Keyspace
from doublegate.gate.ledger import Ledger
from doublegate.gate.ledger_errors import LedgerError
from doublegate.gate.ledger_link import Link

__all__ = ["LedgerPositions"]

_SAYS = {
    EntryState.CLAIMED: Progress.PENDING,
    EntryState.DONE: Progress.APPLIED,
    EntryState.FAILED: Progress.REFUSED,
}


class LedgerPositions:
    """How far a group is, by its ledger; connects when it is first asked, and reads only.

    Args:
        url: `spec.ledger.url`.
        group: the consumer group.
        topic_ids: topic names to uuids (`TopicIds`).
        options: keyword arguments of redis-py's connections (password, TLS).
    """

    def __init__(
        self, url: str, group: str, topic_ids: Callable[[str], bytes | None], **options: Any
    ) -> None:
        times = {"socket_timeout": STORE_SECONDS, "socket_connect_timeout": STORE_SECONDS}
        self._url, self._group, self._options = url, group, {**times, **options}
        self._keys = Keyspace(group)
        self._topic_ids = topic_ids
        self._lock = Lock()
        self._ledger: Ledger | None = None

    def progress(self, tokens: Sequence[Token]) -> list[Progress]:
        """See `AppliedPositions`.

        Raises:
            PositionsUnavailable: the ledger does not answer, or refuses us.
        """
        try:
            with self._lock:
                if self._ledger is None:
                    self._ledger = Ledger(Link.open(self._url, **self._options), self._group)
                ledger = self._ledger
            return [self._one(ledger, token) for token in tokens]
        except LedgerError as error:
            raise PositionsUnavailable(str(error)) from error

    def close(self) -> None:
        """Give the connections back."""
        with self._lock:
            if self._ledger is not None:
                self._ledger.close()

    def _one(self, ledger: Ledger, token: Token) -> Progress:
        entry = ledger.inspect(self._keys.key(token.event_id.encode()))
        if entry is not None:
            return _SAYS[entry.state]
        topic = self._topic_ids(token.topic)
        mark = None if topic is None else ledger.read_watermarks([(topic, token.partition)])[0]
        return Progress.PENDING if mark is None or mark < token.offset else Progress.APPLIED
