"""The ledger's servers, and what happens to them."""

from __future__ import annotations

import shutil
import signal
import time
from typing import TYPE_CHECKING

import redis

from doublegate.local.model import Service
from doublegate.local.ports import LOOPBACK, free_ports
from doublegate.local.servers.base import Site
from doublegate.local.servers.valkey import Valkey
from tests.helpers import eventually

if TYPE_CHECKING:
    from doublegate.local.owned import Owned
    from doublegate.local.process import Handle
    from tests.faults.proxies import Proxies

__all__ = ["ValkeyPair"]

FULL_MARGIN = 1024
LAG_SECONDS = 1.0
SYNC_SECONDS = 20.0


class ValkeyPair:
    """A primary with an append-only file and its replica; clients come through a proxy, as by a virtual IP.

    Args:
        owned: ends the processes.
        proxies: gives the address.
    """

    def __init__(self, owned: Owned, proxies: Proxies) -> None:
        self._owned = owned
        ports = free_ports(2)
        self._sites = [
            Site(Service.VALKEY, owned.home / f"valkey-{number}", {"redis": port})
            for number, port in enumerate(ports)
        ]
        self._handles: list[Handle] = [self._start(0), self._start(1)]
        self._primary = 0
        self.proxy = proxies.add("valkey", ports[0])
        self._follow()

    @property
    def url(self) -> str:
        """Where consumers reach it."""
        return f"redis://{LOOPBACK}:{self.proxy.port}/0"

    def flush(self) -> None:
        """Somebody's FLUSHALL."""
        with self._primary_client() as client:
            client.flushall()

    def restart(self, *, keep: bool) -> None:
        """Kill the primary and start it again, with its data or without."""
        self._handles[self._primary].kill()
        if not keep:
            shutil.rmtree(self._sites[self._primary].data)
        self._handles[self._primary] = self._start(self._primary)

    def stop(self) -> None:
        """SIGSTOP to the primary."""
        self._handles[self._primary].signal(signal.SIGSTOP)

    def resume(self) -> None:
        """SIGCONT to the primary."""
        self._handles[self._primary].signal(signal.SIGCONT)

    def fill(self) -> None:
        """The server is at its memory limit."""
        with self._primary_client() as client:
            client.config_set("maxmemory", client.info("memory")["used_memory"] - FULL_MARGIN)

    def empty(self) -> None:
        """It has memory again."""
        with self._primary_client() as client:
            client.config_set("maxmemory", 0)

    def fail_over(self) -> None:
        """The replica is promoted, and lacks the last second of writes."""
        if self._handles[1 - self._primary].process() is None:  # an earlier one killed it
            self.resume()  # a stopped primary has nothing to give
            self._restore_follower()
        old, new = self._primary, 1 - self._primary
        with self._client(new) as client:
            client.replicaof("NO", "ONE")
        time.sleep(LAG_SECONDS)  # what is acknowledged meanwhile is lost: that is the fault
        self._handles[old].kill()
        self.proxy.lead_to(self._sites[new].ports["redis"])
        self._primary = new

    def heal(self) -> None:
        """As it was: a primary, and a replica that has all of it."""
        self.proxy.mend()
        self.empty()
        self._restore_follower()

    def _restore_follower(self) -> None:
        """It runs, without its data if it was killed, and gets the primary's."""
        follower = 1 - self._primary
        if self._handles[follower].process() is None:
            shutil.rmtree(self._sites[follower].data, ignore_errors=True)
            self._handles[follower] = self._start(follower)
        self._follow()

    def _start(self, number: int) -> Handle:
        # The defaults but for the speed of a full resync, which waits for more replicas.
        options = {"appendonly": "yes", "repl-diskless-sync-delay": "0"}
        return self._owned.start(f"valkey-{number}", Valkey(), self._sites[number], options)

    def _follow(self) -> None:
        with self._client(1 - self._primary) as client:
            client.replicaof(LOOPBACK, str(self._sites[self._primary].ports["redis"]))
            eventually(lambda: client.info("replication").get("master_link_status") == "up", SYNC_SECONDS)

    def _primary_client(self) -> redis.Redis:
        # One thread carries a schedule out: it would wait for an answer that only its own SIGCONT lets come.
        self.resume()
        return self._client(self._primary)

    def _client(self, number: int) -> redis.Redis:
        return redis.Redis(host=LOOPBACK, port=self._sites[number].ports["redis"], socket_timeout=10)
