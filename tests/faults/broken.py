"""Builds that are broken on purpose, each in one way that the checker must catch.

They change the code from outside, in members that a test starts; nothing of them is shipped.
"""

from __future__ import annotations

from typing import Any


def no_lease() -> None:
    """An effect starts whether or not the session is alive, and what was claimed is never void."""
    from doublegate.runtime import ownership, service, session

    terms = service.Terms
    service.Terms = lambda **given: terms(**(given | {"lease": session.NoLease()}))  # type: ignore[assignment, misc]
    ownership.Ownership.leased = property(lambda self: True)  # type: ignore[assignment]  # noqa: ARG005

    def session_over(self: Any, lost: bool) -> None:
        self._books.run(lambda _: self._session.begin(), None, answer=lambda _: None, failed=lambda _: None)

    ownership.Ownership.session_over = session_over  # type: ignore[method-assign]
    ownership.Ownership.fence = lambda self: None  # type: ignore[method-assign]  # noqa: ARG005
    ownership.Ownership.lose = lambda self, names: None  # type: ignore[method-assign]  # noqa: ARG005


def no_epoch() -> None:
    """Partitions are worked on without a confirmed epoch, after they went to somebody else, too."""
    from doublegate.gate import ledger, ledger_scripts
    from doublegate.runtime import ownership

    blind = ledger_scripts.CLAIM.source.replace(b"if epoch ~= ARGV[i + 1] then", b"if false then")
    _replace_script(ledger_scripts.CLAIM, blind)
    ownership.Ownership.lose = lambda self, names: None  # type: ignore[method-assign]  # noqa: ARG005
    ownership.Ownership.fence = lambda self: None  # type: ignore[method-assign]  # noqa: ARG005
    again = ledger.Ledger.renew

    def renew(self: Any, owner: bytes) -> Any:
        self.register(owner)
        return again(self, owner)

    ledger.Ledger.renew = renew  # type: ignore[method-assign]


def commit_first() -> None:
    """The commit passes what was delivered, finished or not."""
    from doublegate.runtime import partition

    def advance(self: Any) -> int:
        while self.pending and self.pending[0].finished:
            self.pending.popleft()
        return int(self.delivered)

    partition.Partition.advance = advance  # type: ignore[method-assign]
    partition.Partition.metadata = lambda self, data: ""  # type: ignore[method-assign]  # noqa: ARG005


def done_for_failed() -> None:
    """What was dead-lettered is told to the ledger as DONE."""
    from doublegate.runtime import books

    books.Books.fail = lambda self, record: self.complete([record])  # type: ignore[method-assign]


def filter_drops() -> None:
    """A hit in the Bloom filter drops the event."""
    from doublegate.runtime import intake

    original = intake.Intake.take

    def take(self: Any, partition: Any, messages: Any, order: str = "") -> Any:
        taken = original(self, partition, messages, order)
        dropped = [record for record in taken.records if record.suspected]
        taken.records = [record for record in taken.records if not record.suspected]
        self._state.local.let_go([record.key for record in dropped])
        for record in dropped:
            partition.pending.remove(record)
        return taken

    intake.Intake.take = take  # type: ignore[method-assign]


def _replace_script(script: Any, source: bytes) -> None:
    from hashlib import sha1

    object.__setattr__(script, "source", source)
    object.__setattr__(script, "sha", sha1(source, usedforsecurity=False).hexdigest())


BUILDS = {
    "no_lease": no_lease,
    "no_epoch": no_epoch,
    "commit_first": commit_first,
    "done_for_failed": done_for_failed,
    "filter_drops": filter_drops,
}
