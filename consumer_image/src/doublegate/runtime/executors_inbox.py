"""One transaction per call: the inbox's rows and the handler's own statements, or neither."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import psycopg

from doublegate.gate.inbox import Inbox
from doublegate.runtime.executors_batch import Call, Pair, Verdict
from doublegate.runtime.executors_inbox_pools import InboxPools
from doublegate.runtime.executors_inbox_state import CallTransaction
from doublegate.runtime.executors_outcomes import describe
from doublegate.runtime.outcome import not_done

__all__ = ["AsyncInboxCalls", "InboxCalls"]

_SETTLE_SHARE = 0.8
"""Of the timeout, to find out what became of a COMMIT."""


class InboxCalls:
    """Carries out the calls of a synchronous handler.

    Args:
        inbox: the inbox.
        pools: its connections.
        invoke: calls the handler.
        timeout: `handler.timeout`, seconds.
    """

    def __init__(
        self,
        inbox: Inbox,
        pools: InboxPools,
        invoke: Callable[[Call, Sequence[Pair], Any], Verdict],
        timeout: float,
    ) -> None:
        self._inbox = inbox
        self._pools = pools
        self._invoke = invoke
        self._timeout = timeout

    def perform(self, call: Call) -> Verdict:
        """Find what is fresh, call the handler for it, commit."""
        transaction = CallTransaction(call)
        try:
            pool = self._pools.pool()
            connection = pool.getconn(self._timeout / 2)
        except psycopg.OperationalError as error:
            transaction.fail(not_done(describe(error), wait=True))
            return transaction.verdict()
        call.restart_clock()
        try:
            self._run(call, transaction, connection)
        finally:
            pool.putconn(connection)
        return transaction.verdict()

    def _run(self, call: Call, transaction: CallTransaction, connection: psycopg.Connection[Any]) -> None:
        try:
            with connection.transaction() as database:
                pairs = transaction.seen(self._inbox.fresh(connection, transaction.rows))
                if failed := transaction.performed(self._invoke(call, pairs, connection), connection):
                    connection.execute(*self._inbox.forget(failed))
                transaction.committing = True
            transaction.ended(database.status)
        except psycopg.Rollback:
            pass  # nothing to commit, on a broken connection
        except psycopg.Error as error:
            if lost := transaction.raised(error, connection):
                call.restart_clock()
                seconds = self._timeout * _SETTLE_SHARE
                transaction.settled(self._inbox.settle(self._pools.conninfo, lost, seconds), error)


class AsyncInboxCalls:
    """Carries out the calls of an async handler; see `InboxCalls`.

    Args:
        inbox: the inbox.
        pools: its connections.
        invoke: calls the handler.
        timeout: `handler.timeout`, seconds.
    """

    def __init__(
        self,
        inbox: Inbox,
        pools: InboxPools,
        invoke: Callable[[Call, Sequence[Pair], Any], Awaitable[Verdict]],
        timeout: float,
    ) -> None:
        self._inbox = inbox
        self._pools = pools
        self._invoke = invoke
        self._timeout = timeout

    async def perform(self, call: Call) -> Verdict:
        """Find what is fresh, call the handler for it, commit."""
        transaction = CallTransaction(call)
        try:
            pool = await self._pools.pool_on_loop()
            connection = await pool.getconn(self._timeout / 2)
        except psycopg.OperationalError as error:
            transaction.fail(not_done(describe(error), wait=True))
            return transaction.verdict()
        call.restart_clock()
        try:
            await self._run(call, transaction, connection)
        finally:
            await pool.putconn(connection)
        return transaction.verdict()

    async def _run(
        self, call: Call, transaction: CallTransaction, connection: psycopg.AsyncConnection[Any]
    ) -> None:
        try:
            async with connection.transaction() as database:
                pairs = transaction.seen(await self._inbox.fresh_async(connection, transaction.rows))
                if failed := transaction.performed(await self._invoke(call, pairs, connection), connection):
                    await connection.execute(*self._inbox.forget(failed))
                transaction.committing = True
            transaction.ended(database.status)
        except psycopg.Rollback:
            pass  # nothing to commit, on a broken connection
        except psycopg.Error as error:
            if lost := transaction.raised(error, connection):
                call.restart_clock()
                seconds = self._timeout * _SETTLE_SHARE
                seen = await asyncio.to_thread(self._inbox.settle, self._pools.conninfo, lost, seconds)
                transaction.settled(seen, error)
