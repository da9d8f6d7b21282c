"""Which dead letters a replay sends: pure. The ledger decides later whether a replayed event is performed."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Self

from xxhash import xxh3_64_hexdigest

from doublegate.contract import headers as names
from doublegate.contract.deadletter import DeadLetterReason, replay_headers
from doublegate.contract.errors import DoublegateError
from doublegate.contract.identity import MAX_ID_BYTES

if TYPE_CHECKING:
    from datetime import datetime

    from doublegate.contract.gate_spec import IdentitySpec
    from doublegate.contract.headers import Headers
    from doublegate.contract.replay_resource import ReplaySpec
    from doublegate.deadletters.letters import StoredLetter

__all__ = ["Selection", "Verdict", "headers_to_send"]

KEPT_FACTS = (names.DLQ_TOPIC, names.DLQ_PARTITION, names.DLQ_OFFSET, names.DLQ_ATTEMPT)
"""They tell where the event was published first; all of the letter's facts are replaced if it fails again."""


class Verdict(StrEnum):
    """What a replay does with a letter; all but the first are counted as skipped."""

    REPLAY = "replay"
    OTHER = "not selected"
    BROKEN = "not a dead letter"
    NEEDS_ACCEPT_UNKNOWN = "unknown outcome: needs --accept-unknown"
    NEEDS_ACCEPT_CONFLICTS = "conflict: needs --accept-conflicts"
    FAILED_AGAIN = "failed again in this replay"


@dataclass(frozen=True, slots=True)
class Selection:
    """Filters, all of which a letter has to pass; an empty one lets everything through.

    Attributes:
        reasons: of the letters.
        ids: of the events.
        failed_after: earliest time of the failure.
        failed_before: the time of the failure is before this one.
        accept_unknown: the far side stands a second effect of events that may have been performed.
        accept_conflicts: events whose id came with another payload are sent under an id of their own.
    """

    reasons: frozenset[DeadLetterReason] = frozenset()
    ids: frozenset[str] = frozenset()
    failed_after: datetime | None = None
    failed_before: datetime | None = None
    accept_unknown: bool = False
    accept_conflicts: bool = False

    @classmethod
    def of(cls, spec: ReplaySpec) -> Self:
        """What a DeadLetterReplay selects."""
        selector = spec.selector
        return cls(
            reasons=frozenset(selector.reasons),
            ids=frozenset(selector.ids),
            failed_after=selector.failed_after,
            failed_before=selector.failed_before,
            accept_unknown=spec.accept_unknown,
            accept_conflicts=spec.accept_conflicts,
        )

    def matches(self, letter: StoredLetter) -> bool:
        """Whether the filters let the letter through."""
        facts = letter.facts
        if facts is None:
            return not (self.reasons or self.failed_after or self.failed_before) and (
                not self.ids or letter.event_id in self.ids
            )
        return (
            (not self.reasons or facts.reason in self.reasons)
            and (not self.ids or letter.event_id in self.ids)
            and (self.failed_after is None or facts.failed_at >= self.failed_after)
            and (self.failed_before is None or facts.failed_at < self.failed_before)
        )

    def verdict(self, letter: StoredLetter, replay_id: str) -> Verdict:
        """What a replay of that id does with the letter."""
        if not self.matches(letter):
            return Verdict.OTHER
        if letter.facts is None:
            return Verdict.BROKEN
        if replay_id in letter.replay_ids:
            return Verdict.FAILED_AGAIN  # or a replay that is resumed would never end
        if letter.facts.reason is DeadLetterReason.UNKNOWN_OUTCOME and not self.accept_unknown:
            return Verdict.NEEDS_ACCEPT_UNKNOWN
        if letter.facts.reason is DeadLetterReason.CONFLICT and not self.accept_conflicts:
            return Verdict.NEEDS_ACCEPT_CONFLICTS
        return Verdict.REPLAY


def headers_to_send(letter: StoredLetter, replay_id: str, identity: IdentitySpec) -> Headers:
    """The event's own headers byte for byte, where it was published first, and the replay's id.

    A conflict gets a new event id, the same for the same payload, so that it too is performed once.

    Raises:
        DoublegateError: A conflict's id stands in its payload, which a replay does not change.
    """
    headers = replay_headers(letter.headers, replay_id)
    if letter.facts is not None and letter.facts.reason is DeadLetterReason.CONFLICT:
        headers = _renamed(letter, headers, identity)
    kept: Headers = [pair for pair in letter.headers if pair[0] in KEPT_FACTS]
    return [*headers[:-1], *kept, headers[-1]]


def _renamed(letter: StoredLetter, headers: Headers, identity: IdentitySpec) -> Headers:
    name = names.CE_ID if identity.cloud_events else identity.header
    if name is None:
        raise DoublegateError(
            f"letter {letter.position} is a conflict, and its id is a field of its payload: "
            "publish it anew with an id of its own, a replay changes no payload"
        )
    suffix = b"~" + xxh3_64_hexdigest(letter.value or b"").encode()
    # The suffix tells the ids apart; what is cut of a very long id is cut whole characters at a time.
    room = MAX_ID_BYTES - len(suffix) - (MAX_ID_BYTES // 2 if identity.cloud_events else 0)
    return [
        (key, (value or b"")[:room].decode(errors="ignore").encode() + suffix)
        if key == name
        else (key, value)
        for key, value in headers
    ]
