"""Ends the cluster and undoes all that it changed on the machine, also after a crash in between."""

from __future__ import annotations

import shutil
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

from doublegate.local.process import Handle
from tools.cluster import cgroups, layout, network
from tools.cluster.errors import ClusterError
from tools.cluster.record import Record
from tools.mounts import unmount_below

if TYPE_CHECKING:
    from tools.cluster.layout import Layout

__all__ = ["stop"]

# Who starts containers, then what carries them, then what remembers.
ORDER = (
    ("kubelet", "kube-scheduler", "kube-controller-manager"),
    ("kube-proxy", "kube-apiserver"),
    ("etcd", "containerd"),
)
GONE_SECONDS = 20.0
POLL_SECONDS = 0.05

# Places that the parts choose by themselves.
DEVICE_PLUGINS = Path("/var/lib/kubelet/device-plugins")
CONTAINER_LINKS = Path("/var/log/containers")
CNI_RESULTS = Path("/var/lib/cni/results")


def stop(where: Layout) -> None:
    """Stop it; without one it does nothing. Logs stay.

    Raises:
        ClusterError: A process of it survives; the message names it.
        StillMounted: A mount does.
    """
    record = Record.load(where.run)
    first, *rest = ORDER
    _stop_parts(record, first)
    _kill_containers(where)
    for names in rest:
        _stop_parts(record, names)
    network.take_down(record)
    unmount_below(where.home, where.run)  # volumes, root file systems, network namespaces
    cgroups.remove()
    if "kubelet" in record.parts:
        shutil.rmtree(DEVICE_PLUGINS, ignore_errors=True)
    _remove_files(where)


def _stop_parts(record: Record, names: tuple[str, ...]) -> None:
    handles = [record.parts[name] for name in names if name in record.parts]
    with ThreadPoolExecutor(max(1, len(handles))) as pool:
        list(pool.map(Handle.stop, handles))


def _kill_containers(where: Layout) -> None:
    """SIGKILL to the shims of our containerd and to all in our control groups, until none is left.

    Asking the runtime instead would need it to be well; the cluster may be half up.
    """
    deadline = time.monotonic() + GONE_SECONDS
    while doomed := _containers(where):
        for process in doomed:
            with suppress(psutil.NoSuchProcess):
                process.kill()
        if time.monotonic() > deadline:
            pids = ", ".join(str(process.pid) for process in doomed)
            raise ClusterError(f"processes {pids} of the cluster survive SIGKILL; look at them with ps")
        time.sleep(POLL_SECONDS)


def _containers(where: Layout) -> list[psutil.Process]:
    pids = cgroups.processes()
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.NoSuchProcess):
            command = process.cmdline()
            shim = (
                bool(command) and "containerd-shim" in command[0] and str(where.containerd_socket) in command
            )
            if (shim or process.pid in pids) and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
    return found


def _remove_files(where: Layout) -> None:
    shutil.rmtree(where.data, ignore_errors=True)
    where.kubeconfig.unlink(missing_ok=True)
    for link in CONTAINER_LINKS.glob("*.log"):
        if str(link.readlink()).startswith(f"{where.home}/"):
            link.unlink()
    for result in CNI_RESULTS.glob(f"{layout.CNI_NETWORK}-*"):
        result.unlink()
    for directory in (DEVICE_PLUGINS.parent, CONTAINER_LINKS, CNI_RESULTS, CNI_RESULTS.parent):
        with suppress(OSError):
            directory.rmdir()  # refuses where somebody else has something
    shutil.rmtree(where.run, ignore_errors=True)  # last: the record is in it
