"""`doublegate-operator`: settings from the environment, then `Operator` until SIGTERM."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
from concurrent.futures import ThreadPoolExecutor

import httpx2
from lightkube import AsyncClient
from lightkube.core.exceptions import ConfigError

from doublegate_operator.shell.app import Operator
from doublegate_operator.shell.clients import Clients
from doublegate_operator.shell.kube import MANAGER, Kube
from doublegate_operator.shell.lease import LeadershipLost
from doublegate_operator.shell.logs import configure
from doublegate_operator.shell.settings import InvalidSettings, Settings

__all__ = ["main"]

log = logging.getLogger(__name__)

_REQUEST = 10.0
_THREADS = 32
"""Eight looks wait for Kafka, ledger and registry each; by default there would be six on two cores."""


def main() -> None:
    """Run; the exit status is 0 after SIGTERM, 2 for wrong settings, 1 for everything else."""
    try:
        settings = Settings.from_environment()
    except InvalidSettings as invalid:
        sys.exit(_wrong(str(invalid)))
    configure(settings.log_level)
    asyncio.run(_run(settings))


def _wrong(text: str) -> int:
    sys.stderr.write(f"{text}\n")
    return 2


async def _run(settings: Settings) -> None:
    stop, loop = asyncio.Event(), asyncio.get_running_loop()
    loop.set_default_executor(ThreadPoolExecutor(_THREADS))
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    status = 1
    try:
        client = AsyncClient(field_manager=MANAGER, timeout=httpx2.Timeout(_REQUEST))
        await Operator(settings, client, Clients(Kube(client))).run(stop)
        status = 0
    except LeadershipLost as lost:
        log.critical("%s; the process ends, since a standby may act by now", lost)
    except ConfigError as error:
        log.critical("no Kubernetes API: %s; run it in a cluster, or set KUBECONFIG", error)
    except Exception:
        log.critical("the operator ends", exc_info=True)
    logging.shutdown()
    # At once: a thread that still waits for Kafka would hold the process, or go on acting in it.
    os._exit(status)


if __name__ == "__main__":
    main()
