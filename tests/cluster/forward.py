"""A port on this machine that leads to a port of a service in the cluster, on any cluster."""

from __future__ import annotations

import socket
import subprocess
import threading
from typing import TYPE_CHECKING, Self

from doublegate.local.ports import LOOPBACK, free_ports
from tests.helpers import eventually

if TYPE_CHECKING:
    from tests.cluster.access import Cluster

START_SECONDS = 30.0
STOP_SECONDS = 10.0
PAUSE_SECONDS = 0.2


class Forward:
    """`kubectl port-forward`, started again when it ends: it does with the pod that it leads to.

    Args:
        cluster: where.
        namespace: of the target.
        target: as kubectl names it, such as `svc/kafka`.
        port: of the target.
        local: the port here; a free one by default.
    """

    def __init__(
        self, cluster: Cluster, namespace: str, target: str, port: int, local: int | None = None
    ) -> None:
        self.port = local or free_ports(1)[0]
        self._command = cluster.command(
            "port-forward", f"--namespace={namespace}", f"--address={LOOPBACK}", target, f"{self.port}:{port}"
        )
        self._said = ""
        self._ended = threading.Event()
        self._process: subprocess.Popen[str] | None = None
        self._thread = threading.Thread(target=self._keep, name=f"forward-{target}", daemon=True)

    @property
    def url(self) -> str:
        """As HTTP clients want it."""
        return f"http://{LOOPBACK}:{self.port}"

    def __enter__(self) -> Self:
        self._thread.start()
        try:
            eventually(self._listens, START_SECONDS)
        except AssertionError as error:
            self.__exit__()
            raise AssertionError(f"{' '.join(self._command)}: {self._said}") from error
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        if self._process is not None:
            self._process.terminate()
        self._thread.join(STOP_SECONDS)

    def _keep(self) -> None:
        while not self._ended.is_set():
            with subprocess.Popen(
                self._command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
            ) as self._process:
                if self._ended.is_set():  # between the question and the start
                    self._process.terminate()
                self._said = self._process.communicate()[1]
            self._ended.wait(PAUSE_SECONDS)

    def _listens(self) -> bool:
        try:
            socket.create_connection((LOOPBACK, self.port), timeout=1).close()
        except OSError:
            return False
        return True
