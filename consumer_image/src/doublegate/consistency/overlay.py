"""`Overlay`: a user's own pending writes on top of a read model that does not have them yet.

For what the primary can't answer, as a list or a search. It belongs to one process, does no I/O, and is not
thread-safe. The order that never shows old data: ask a `Reader` for `tokens`, `settle` what it saw, then
query the read model, then lay the result under `view`.
"""

import time
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar

from doublegate.consistency.positions import Progress
from doublegate.consistency.token import UNKNOWN_OFFSET, Token

__all__ = ["Overlay", "Refusal"]

V = TypeVar("V")
_NO_REASON = "its event is a dead letter of the consumer group"


@dataclass(frozen=True, slots=True)
class Refusal(Generic[V]):
    """A write that never came to be.

    Attributes:
        value: what was written.
        reason: why it was refused.
    """

    value: V
    reason: str


@dataclass(slots=True)
class _Write(Generic[V]):
    item: Hashable
    value: V
    token: Token
    end: float
    reason: str = ""
    """Why it was refused; empty while it is pending."""


class Overlay(Generic[V]):
    """Pending writes by item; an item is what one write replaces, such as a user and a field.

    Args:
        seconds: how long a write is kept: longer than the group is ever behind.
        limit: so many writes are kept, the oldest are let go first.
        clock: monotonic seconds; a test's own.
    """

    def __init__(
        self, *, seconds: float, limit: int = 10_000, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._seconds = seconds
        self._limit = limit
        self._clock = clock
        self._writes: dict[tuple[str, str], _Write[V]] = {}
        """By topic and event id, in order of arrival, which is the order of expiry as well."""
        self._items: dict[Hashable, list[_Write[V]]] = {}
        """Each item's writes, the last one in effect."""

    def __len__(self) -> int:
        return len(self._writes)

    def wrote(self, item: Hashable, value: V, token: Token) -> None:
        """A write was acknowledged; telling it twice changes nothing."""
        if _name(token) in self._writes:
            return
        write = self._writes[_name(token)] = _Write(item, value, token, self._clock() + self._seconds)
        writes = self._items.setdefault(item, [])
        # The log's order decides, not who told us first. Where it is not known, there is none but ours.
        at = len(writes)
        while at and _comes_later(writes[at - 1].token, token):
            at -= 1
        writes.insert(at, write)
        self._trim()

    def view(self, item: Hashable, base: V) -> V:
        """`base`, as the read model has it, or the item's last write that is not refused."""
        self._trim()
        for write in reversed(self._items.get(item, [])):
            if not write.reason:
                return write.value
        return base

    def refusal(self, item: Hashable) -> Refusal[V] | None:
        """Why the item's last write was refused, to be shown until it expires or the item is written anew."""
        self._trim()
        writes = self._items.get(item)
        return Refusal(writes[-1].value, writes[-1].reason) if writes and writes[-1].reason else None

    def tokens(self, *items: Hashable) -> tuple[Token, ...]:
        """The pending writes of these items, for `Reader`."""
        self._trim()
        return tuple(w.token for item in items for w in self._items.get(item, []) if not w.reason)

    def settle(self, progress: Mapping[Token, Progress]) -> None:
        """Take over what a reader saw (`Decision.progress`)."""
        for token, seen in progress.items():
            if seen is Progress.APPLIED:
                self._applied(token)
            elif seen is Progress.REFUSED:
                self.refuse(token, _NO_REASON)

    def refuse(self, token: Token, reason: str) -> None:
        """The write is a dead letter; a better reason, as the letter has it, replaces `settle`'s."""
        write = self._writes.get(_name(token))
        if write is not None and write.reason in ("", _NO_REASON):
            write.reason = reason

    def _applied(self, token: Token) -> None:
        """The read model has this write, and so what came before it in its log is in the past."""
        write = self._writes.get(_name(token))
        if write is not None:
            for other in list(self._items[write.item]):
                if other is write or _comes_later(write.token, other.token):
                    self._drop(other)

    def _trim(self) -> None:
        now = self._clock()
        while self._writes:
            oldest = next(iter(self._writes.values()))
            if len(self._writes) <= self._limit and oldest.end > now:
                return
            self._drop(oldest)

    def _drop(self, write: _Write[V]) -> None:
        del self._writes[_name(write.token)]
        writes = self._items[write.item]
        writes[:] = [other for other in writes if other is not write]
        if not writes:
            del self._items[write.item]


def _name(token: Token) -> tuple[str, str]:
    return token.topic, token.event_id


def _comes_later(one: Token, other: Token) -> bool:
    """Whether it is certain that `one` is behind `other` in their log."""
    same_log = (one.topic, one.partition) == (other.topic, other.partition)
    return same_log and UNKNOWN_OFFSET not in (one.offset, other.offset) and one.offset > other.offset
