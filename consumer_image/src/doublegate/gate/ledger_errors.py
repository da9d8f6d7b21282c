"""What goes wrong with the ledger, named for what the caller does next."""

from doublegate.contract.errors import DoublegateError
from doublegate.gate.ledger_types import ExchangeResult

__all__ = [
    "LedgerError",
    "LedgerFull",
    "LedgerMisconfigured",
    "LedgerReplaced",
    "LedgerUnavailable",
    "LedgerUnderReplicated",
]


class LedgerError(DoublegateError):
    """Any failure of the ledger; nothing that was asked for may be taken as done."""


class LedgerUnavailable(LedgerError):
    """Try the same call again later; every step is idempotent for the same owner.

    Some of its rows may have been applied. Claims of a batch that is not sent again must be released.
    """


class LedgerReplaced(LedgerUnavailable):
    """Another server, or another run of it, which may lack writes: put them back, then try again."""

    def __init__(self) -> None:
        super().__init__("the ledger's server restarted or was replaced, and may lack the latest writes")


class LedgerFull(LedgerUnavailable):
    """The server is at `maxmemory` and refuses claims; the rest of the batch was recorded.

    Attributes:
        result: what was recorded; some claims of a cluster may be held.
    """

    def __init__(self, result: ExchangeResult) -> None:
        super().__init__("the ledger's server is at maxmemory and refuses new claims: give it memory")
        self.result = result


class LedgerUnderReplicated(LedgerUnavailable):
    """Too few replicas acknowledged in time; the rows stand on the primary, a failover may lose them.

    Attributes:
        acked: replicas that acknowledged.
        wanted: replicas asked for (`minReplicasAcked`).
        result: what the primary recorded.
    """

    def __init__(self, acked: int, wanted: int, result: ExchangeResult) -> None:
        super().__init__(f"{acked} of {wanted} replicas acknowledged the ledger's writes in time")
        self.acked = acked
        self.wanted = wanted
        self.result = result


class LedgerMisconfigured(LedgerError):
    """Retrying will not help: credentials, permissions, the server's version or its layout are wrong."""
