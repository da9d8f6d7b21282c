"""The inbox's connections, opened where and when they are first needed."""

import threading
from typing import Any

import psycopg
from psycopg_pool import AsyncConnectionPool, ConnectionPool

__all__ = ["InboxPools"]

_SPARE_SECONDS = 5


class InboxPools:
    """Connections for synchronous handlers, and for those on the event loop.

    Args:
        conninfo: of the database, a DSN or a URI.
        size: connections at most: transactions that may be open at once.
        timeout: `handler.timeout`, seconds; the server ends a transaction that idles much longer.
    """

    def __init__(self, conninfo: str, *, size: int, timeout: float) -> None:
        self.conninfo = conninfo
        self._size = size
        self._idle = f"SET idle_in_transaction_session_timeout = '{int(timeout * 2 + _SPARE_SECONDS)}s'"
        self._lock = threading.Lock()
        self._pool: ConnectionPool[psycopg.Connection[Any]] | None = None
        self._pool_on_loop: AsyncConnectionPool[psycopg.AsyncConnection[Any]] | None = None

    def pool(self) -> ConnectionPool[psycopg.Connection[Any]]:
        """The pool of threads; it connects in the background and may not be connected yet."""
        with self._lock:
            if self._pool is None:
                self._pool = ConnectionPool(
                    self.conninfo,
                    kwargs={"autocommit": True},
                    min_size=1,
                    max_size=self._size,
                    configure=self._configure,
                    name="inbox",
                    open=True,
                )
            return self._pool

    async def pool_on_loop(self) -> AsyncConnectionPool[psycopg.AsyncConnection[Any]]:
        """The pool of the running event loop."""
        if self._pool_on_loop is None:
            self._pool_on_loop = AsyncConnectionPool(
                self.conninfo,
                kwargs={"autocommit": True},
                min_size=1,
                max_size=self._size,
                configure=self._configure_on_loop,
                name="inbox",
                open=False,
            )
            await self._pool_on_loop.open()
        return self._pool_on_loop

    def close(self) -> None:
        """Close the threads' connections."""
        if self._pool is not None:
            self._pool.close(timeout=1)

    async def close_on_loop(self) -> None:
        """Close the event loop's connections."""
        if self._pool_on_loop is not None:
            await self._pool_on_loop.close(timeout=1)

    def _configure(self, connection: psycopg.Connection[Any]) -> None:
        connection.execute(self._idle.encode())

    async def _configure_on_loop(self, connection: psycopg.AsyncConnection[Any]) -> None:
        await connection.execute(self._idle.encode())
