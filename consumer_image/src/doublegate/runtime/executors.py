"""Picks the executor that fits a handler."""

from dataclasses import replace

from doublegate.gate.inbox import Inbox
from doublegate.runtime.executors_async import AsyncExecutor, async_invoke
from doublegate.runtime.executors_inbox import AsyncInboxCalls, InboxCalls
from doublegate.runtime.executors_inbox_pools import InboxPools
from doublegate.runtime.executors_sync import SyncExecutor
from doublegate.runtime.executors_sync_batch import SyncBatchExecutor, sync_invoke
from doublegate.runtime.handler import Handler
from doublegate.runtime.unit import Executor, Terms

__all__ = ["build_executor"]


def build_executor(
    handler: Handler, terms: Terms, inbox: Inbox | None = None, pools: InboxPools | None = None
) -> Executor:
    """The executor of `handler`.

    With an inbox an unhandled exception is NotDone whatever `terms.idempotent` says, for its transaction was
    rolled back.

    Args:
        handler: the handler.
        terms: what the engine gives.
        inbox: the inbox, if there is one; its tables are there (`Inbox.migrate`).
        pools: its connections; those of the event loop are closed by the executor, the others by the caller.
    """
    if inbox is None or pools is None:
        if handler.is_async:
            return AsyncExecutor(handler, terms)
        return SyncBatchExecutor(handler, terms) if handler.batch else SyncExecutor(handler, terms)
    terms = replace(terms, idempotent=True)
    if handler.is_async:
        on_loop = AsyncInboxCalls(inbox, pools, async_invoke(handler, terms), terms.timeout)
        return AsyncExecutor(handler, terms, on_loop.perform, pools.close_on_loop)
    calls = InboxCalls(inbox, pools, sync_invoke(handler, terms), terms.timeout)
    return SyncBatchExecutor(handler, terms, calls.perform)
