"""One exchange as script calls: its columns packed, and split by bucket."""

from collections.abc import Sequence
from typing import Any

from doublegate.gate.ledger_codec import (
    CLAIM_BYTES,
    FAILURE_BYTES,
    RELEASE_BYTES,
    field_of,
    pack_claims,
    pack_done,
    pack_failures,
    pack_flags,
    pack_releases,
)
from doublegate.gate.ledger_keys import ScopeKeys
from doublegate.gate.ledger_link import Call
from doublegate.gate.ledger_packer import KeyBatch
from doublegate.gate.ledger_scripts import CLAIM, FINISH, LINES
from doublegate.gate.ledger_types import LINE_EVENTS, Exchange, LedgerSettings

__all__ = ["Calls", "Rows", "milliseconds"]

Rows = Sequence[int]


def milliseconds(seconds: float) -> bytes:
    """Seconds as the scripts want them."""
    return b"%d" % round(seconds * 1000)


def pick(column: Sequence[Any], rows: Rows) -> Sequence[Any]:
    """The column's rows of one bucket, without a copy when that is all of them."""
    return column if len(rows) == len(column) else [column[row] for row in rows]


def _pick_packed(packed: bytes, rows: Rows, width: int) -> bytes:
    if not packed or len(rows) * width == len(packed):
        return packed
    return b"".join(packed[row * width : (row + 1) * width] for row in rows)


def _are_distinct(keys: Sequence[bytes]) -> bool:
    return len(set(keys)) == len(keys)


class Calls:
    """Builds the calls of one exchange.

    Args:
        keys: names of the scope's keys.
        settings: times and limits.
        exchange: what to do.
    """

    def __init__(self, keys: ScopeKeys, settings: LedgerSettings, exchange: Exchange) -> None:
        self.keys = keys
        self.settings = settings
        self.exchange = exchange
        self.distinct_completions = _are_distinct(exchange.completions.keys)
        self.completed_rows = keys.rows(exchange.completions.keys)
        self.failed_rows = keys.rows(exchange.failures.keys)
        self.released_rows = keys.rows(exchange.releases.keys)

    def finish_calls(self, *, everywhere: bool) -> list[tuple[int, Call]]:
        """Completions, failures, releases, marks and the heartbeat, by bucket that has any."""
        exchange = self.exchange
        failures = pack_failures(exchange.assignments, exchange.failures)
        releases = pack_releases(exchange.assignments, exchange.releases)
        marks = bool(exchange.watermarks or exchange.grants)
        calls: list[tuple[int, Call]] = []
        for bucket in range(self.keys.buckets):
            done, failed, released = (
                self.completed_rows[bucket],
                self.failed_rows[bucket],
                self.released_rows[bucket],
            )
            if everywhere or done or failed or released or (marks and bucket == 0):
                calls.append((bucket, self._finish(bucket, done, failed, released, failures, releases)))
        return calls

    def _finish(
        self, bucket: int, done: Rows, failed: Rows, released: Rows, failures: bytes, releases: bytes
    ) -> Call:
        keys, settings, exchange = self.keys, self.settings, self.exchange
        batch = KeyBatch(
            (keys.sessions(bucket), keys.epochs(bucket), keys.watermarks(bucket), keys.grants(bucket)),
            keys.prefixes[bucket],
            (
                pick(exchange.completions.keys, done),
                pick(exchange.failures.keys, failed),
                pick(exchange.releases.keys, released),
            ),
        )
        args = (
            exchange.owner,
            milliseconds(settings.session),
            milliseconds(settings.done_ttl),
            milliseconds(settings.failed_ttl),
            milliseconds(settings.claim_ttl),
            b"%d" % len(done),
            b"%d" % len(failed),
            b"%d" % len(released),
            pack_done(pick(exchange.completions.digests, done)),
            _pick_packed(failures, failed, FAILURE_BYTES),
            _pick_packed(releases, released, RELEASE_BYTES),
            b"%d" % exchange.completions.granted,
            b"%d" % self.distinct_completions,
        )
        return Call(FINISH, batch, args + (self._marks() if bucket == 0 else (b"0",)))

    def _marks(self) -> tuple[bytes, ...]:
        exchange = self.exchange
        words = [b"%d" % len(exchange.watermarks)]
        for index, offset in exchange.watermarks:
            held = exchange.assignments[index]
            words += (field_of(held.topic, held.partition), b"%d" % offset)
        for index, offset in exchange.grants:
            held = exchange.assignments[index]
            words += (field_of(held.topic, held.partition), b"%d" % offset, b"%d" % held.epoch)
        return tuple(words)

    def line_calls(self) -> list[tuple[Sequence[bytes], Call]]:
        """The lines that are asked for, by bucket."""
        lines = list(dict.fromkeys(self.exchange.lines))
        ttl = milliseconds(self.settings.failed_ttl)
        calls: list[tuple[Sequence[bytes], Call]] = []
        for bucket, rows in enumerate(self.keys.rows(lines)):
            if rows:
                mine = pick(lines, rows)
                batch = KeyBatch((self.keys.sessions(bucket),), self.keys.lines(bucket), (mine,))
                calls.append((mine, Call(LINES, batch, (ttl, b"%d" % LINE_EVENTS))))
        return calls

    def claim_calls(self, used: Rows, among: Rows | None = None) -> list[tuple[int, Rows, Call]]:
        """The claims by bucket.

        Args:
            used: indices of the assignments whose epochs are asked for.
            among: the rows to claim; None is all of them.
        """
        claims, settings = self.exchange.claims, self.settings
        if not claims.keys or not used:
            return []
        values = pack_claims(self.exchange.owner, self.exchange.assignments, claims)
        replays = pack_flags(claims.replays)
        distinct = b"%d" % _are_distinct(claims.keys)
        epochs = tuple(
            word
            for held in (self.exchange.assignments[index] for index in used)
            for word in (field_of(held.topic, held.partition), b"%d" % held.epoch)
        )
        wanted = None if among is None else set(among)
        calls: list[tuple[int, Rows, Call]] = []
        for bucket, in_bucket in enumerate(self.keys.rows(claims.keys)):
            rows = in_bucket if wanted is None else [row for row in in_bucket if row in wanted]
            if not rows:
                continue
            batch = KeyBatch(
                (self.keys.sessions(bucket), self.keys.epochs(bucket)),
                self.keys.prefixes[bucket],
                (pick(claims.keys, rows),),
            )
            args = (
                self.exchange.owner,
                milliseconds(settings.session),
                milliseconds(settings.claim_ttl),
                b"%d" % settings.crashes,
                _pick_packed(values, rows, CLAIM_BYTES),
                _pick_packed(replays, rows, 1),
                distinct,
                *epochs,
            )
            calls.append((bucket, rows, Call(CLAIM, batch, args)))
        return calls
