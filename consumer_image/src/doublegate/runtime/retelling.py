"""After a loss of data: tells the ledger again what is held, and how other claims ended of late."""

import logging
from collections.abc import Sequence
from contextlib import suppress

from doublegate.gate.ledger_errors import LedgerFull, LedgerUnderReplicated
from doublegate.gate.ledger_protocol import LedgerApi
from doublegate.gate.ledger_types import Claims, Completions, Exchange
from doublegate.runtime.exchange_rows import Table, failures_of, releases_of
from doublegate.runtime.recent import Recent
from doublegate.runtime.record import Record

__all__ = ["tell_again"]

log = logging.getLogger(__name__)


def tell_again(ledger: LedgerApi, owner: bytes, held: Sequence[Record], recent: Recent, *, most: int) -> None:
    """Put back claims and DONE, then end again what was failed or released.

    Args:
        ledger: where it is put back.
        owner: 8 bytes, this process.
        held: what has a claim that must outlive the loss.
        recent: how other claims ended.
        most: rows of one kind in one call.

    Raises:
        LedgerError: it is to be said once more, all of it; that does no harm.
    """
    ended = recent.but_for({record.key for record in held})
    refused = 0
    for at in range(0, max(len(held), len(ended.done), 1), most):
        table, rows, done = Table(), held[at : at + most], ended.done[at : at + most]
        claims = Claims(
            [r.key for r in rows],
            [r.digest for r in rows],
            [table.index(r.partition, r.epoch) for r in rows],
            [r.offset for r in rows],
        )
        completions = Completions([key for key, _ in done], [digest for _, digest in done])
        unknown = [r.unknown for r in rows]
        refused += len(ledger.reassert(owner, table.rows, claims, completions, unknown).refused)
    for at in range(0, max(len(ended.failed), len(ended.released)), most):
        table, part = Table(), ended.part(at, at + most)
        failures, releases = failures_of(table, part.failed), releases_of(table, part.released)
        with suppress(LedgerFull, LedgerUnderReplicated):  # these end claims, and that was done
            ledger.exchange(Exchange(owner, failures=failures, releases=releases, assignments=table.rows))
    log.warning(
        "ledger: re-asserted %d claims and %d DONE, %d refused; told again of %d failed and %d released",
        len(held),
        len(ended.done),
        refused,
        len(ended.failed),
        len(ended.released),
    )
