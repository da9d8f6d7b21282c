"""Which of several operators acts: a Lease, as Kubernetes' own controllers use it.

A standby never compares its clock with the leader's: it waits until the Lease did not change for the Lease's
duration by its own clock. A leader that could not renew for `_GIVES_UP` seconds, which is less, is none any
more; its process ends then (`app.py`), for nothing else stops a command that is under way in a thread.
"""

from __future__ import annotations

import asyncio
import logging
import math
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any, Protocol

from doublegate.contract.errors import DoublegateError
from doublegate_operator.shell.logs import Once

__all__ = ["Election", "LeadershipLost", "Leases", "Taken"]

log = logging.getLogger(__name__)

DURATION = 15.0
_RENEW = 5.0
_RETRY = 2.0
_GIVES_UP = 10.0
_REQUEST = 4.0

Lease = dict[str, Any]


class Taken(DoublegateError):
    """Somebody else wrote the Lease in between."""


class LeadershipLost(DoublegateError):
    """This operator may not act any more; the message says why."""


class Leases(Protocol):
    """The one Lease, wherever it is kept."""

    async def get(self) -> Lease | None:
        """The Lease; None when there is none."""

    async def create(self, lease: Lease) -> Lease:
        """Write the first. Raises `Taken` when there is one."""

    async def replace(self, lease: Lease) -> Lease:
        """Write over the one of that resourceVersion. Raises `Taken` when it is another's by now."""


class Election:
    """One operator's part in it.

    Args:
        leases: the Lease.
        identity: of this operator.
        clock: monotonic seconds; a test's own.
        sleep: waits; a test's own.
    """

    def __init__(
        self,
        leases: Leases,
        identity: str,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._leases = leases
        self._identity = identity
        self._clock = clock
        self._sleep = sleep
        self._once = Once(log)
        self._lease: Lease | None = None
        self._seen: tuple[Any, ...] = ()
        self._seen_at = -math.inf
        self._renewed_at = -math.inf
        self.asked_at = -math.inf
        """When the Lease was last read or written."""

    async def acquire(self) -> None:
        """Wait until this operator leads."""
        while True:
            try:
                async with asyncio.timeout(_REQUEST):
                    wait = await self._try()
            except Taken:
                wait = _RETRY
            except Exception as error:  # noqa: BLE001 - whatever it is, there is nothing else to do
                self._once.failure("the lease", "the lease can't be had; tried again", error=error)
                wait = _RETRY
            else:
                self._once.over("the lease")
            if wait is None:
                return
            await self._sleep(wait)

    async def hold(self) -> None:
        """Renew until it can't be done.

        Raises:
            LeadershipLost: always, in the end.
        """
        while True:
            await self._sleep(_RENEW if self._clock() - self._renewed_at < _RENEW else _RETRY)
            try:
                async with asyncio.timeout(_REQUEST):
                    await self._renew()
            except Taken as taken:
                raise LeadershipLost("another operator holds the lease") from taken
            except Exception as error:
                self._once.failure("the lease", "the lease can't be renewed; tried again", error=error)
                if self._clock() - self._renewed_at > _GIVES_UP - _RETRY:
                    raise LeadershipLost(f"the lease could not be renewed for {_GIVES_UP:.0f} s") from error
            else:
                self._once.over("the lease")

    async def release(self) -> None:
        """Give it back, so that a standby takes it at its next look."""
        if self._lease is None:
            return
        try:
            async with asyncio.timeout(_REQUEST):
                await self._write(holder="", duration=1)
        except Exception as error:  # noqa: BLE001 - it runs out by itself
            self._once.failure("the lease", "the lease can't be given back; it runs out", error=error)

    async def _try(self) -> float | None:
        """Seconds until the next try; None when this operator leads."""
        lease = await self._leases.get()
        now = self.asked_at = self._clock()
        if lease is None:
            self._lease = None
            await self._write(self._identity)
            return None
        spec = lease.get("spec") or {}
        seen = (lease["metadata"].get("uid"), lease["metadata"].get("resourceVersion"))
        if seen != self._seen:
            self._seen, self._seen_at = seen, now
        holder = spec.get("holderIdentity")
        duration = float(spec.get("leaseDurationSeconds") or DURATION)
        left = self._seen_at + duration - now
        if holder and holder != self._identity and left > 0:
            return min(_RETRY, left)
        self._lease = lease
        await self._write(self._identity)
        return None

    async def _renew(self) -> None:
        try:
            await self._write(self._identity)
        except Taken:
            # Perhaps by our own last try, whose answer never came.
            lease = await self._leases.get()
            if lease is None or (lease.get("spec") or {}).get("holderIdentity") != self._identity:
                raise
            self._lease = lease
            await self._write(self._identity)

    async def _write(self, holder: str, duration: float = DURATION) -> None:
        started = self._clock()
        stamp = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        former = self._lease or {}
        spec = dict(former.get("spec") or {})
        if spec.get("holderIdentity") != holder:
            spec["acquireTime"] = stamp
            spec["leaseTransitions"] = int(spec.get("leaseTransitions") or 0) + (1 if former else 0)
        spec |= {"holderIdentity": holder, "leaseDurationSeconds": int(duration), "renewTime": stamp}
        made = {**former, "spec": spec}
        self._lease = await (self._leases.replace(made) if former else self._leases.create(made))
        self._renewed_at = self.asked_at = started
