"""A group's signals to producers in its ledger's server, for readers that have no Kafka.

One hash per group below the group's own prefix, so that its ACL covers it. It is gone when all of its
processes are; a single one that died is told by `expires`, so the readers' clocks must be about right.
"""

import time
from typing import Any, Self

from doublegate.contract.flow_signal import LIFETIME, FlowSignal, read_signal
from doublegate.gate.ledger_keys import ScopeKeys
from doublegate.gate.ledger_link import Link

__all__ = ["FlowSignals"]


class FlowSignals:
    """The signals of one group; thread-safe.

    Args:
        link: the way to the group's ledger.
        group: the consumer group.
    """

    def __init__(self, link: Link, group: str) -> None:
        self._link = link
        self._key = ScopeKeys.of(group, 1).signals()

    @classmethod
    def connect(cls, url: str, group: str, **options: Any) -> Self:
        """Connect.

        Args:
            url: of the ledger, `redis://`, `rediss://` or `unix://`; a cluster is recognised.
            group: the consumer group.
            options: keyword arguments of redis-py's connections (password, TLS, timeouts in seconds).

        Raises:
            LedgerUnavailable: try again later.
            LedgerMisconfigured: the server refuses us.
        """
        return cls(Link.open(url, **options), group)

    def read(self) -> list[FlowSignal]:
        """What holds now; give it to a `FlowBoard`.

        Raises:
            LedgerError: the server does not answer, or refuses.
        """
        return [signal for signal in self._all().values() if signal is not None and _holds(signal)]

    def write(self, signal: FlowSignal) -> None:
        """Say it.

        Raises:
            LedgerError: as above.
        """
        self._link.hash_put(self._key, signal.member.encode(), signal.to_bytes(), LIFETIME)

    def erase(self, member: str) -> None:
        """Take it back.

        Raises:
            LedgerError: as above.
        """
        self._link.hash_delete(self._key, member.encode())

    def sweep(self) -> None:
        """Remove what processes left that died while others went on.

        Raises:
            LedgerError: as above.
        """
        for member, signal in self._all().items():
            if signal is None or not _holds(signal):
                self._link.hash_delete(self._key, member)

    def close(self) -> None:
        """Give the connections back."""
        self._link.close()

    def _all(self) -> dict[bytes, FlowSignal | None]:
        return {member: read_signal(value) for member, value in self._link.hash_all(self._key).items()}


def _holds(signal: FlowSignal) -> bool:
    return signal.expires > time.time()
