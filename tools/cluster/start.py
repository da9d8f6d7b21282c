"""From nothing to a cluster that answers."""

from __future__ import annotations

import shutil
import threading
from concurrent.futures import ThreadPoolExecutor, as_completed
from typing import TYPE_CHECKING

from doublegate.local.cache import exclusive
from doublegate.local.process import spawn
from doublegate.local.ready import wait_serving
from tools import builds, packages
from tools.cluster import addons, certificates, cgroups, configs, network, node_images, parts
from tools.cluster.possible import require_possible
from tools.cluster.record import Record
from tools.cluster.stop import stop
from tools.images import catalogue
from tools.images.provide import Built, provide

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from doublegate.local.servers.base import Progress
    from tools.cluster.layout import Layout
    from tools.cluster.parts import Part

__all__ = ["install", "start"]


def install(on_progress: Progress) -> dict[str, Built]:
    """Bring everything into the cache; returns the images of the node's own pods.

    Raises:
        LocalStackError: Any of its kinds.
    """
    packages.provide(packages.FOR_THE_CLUSTER, on_progress)
    for build in builds.CLUSTER:
        builds.provide(build, on_progress)
    packages.provide(packages.FOR_IMAGES, on_progress)
    return {image.name: image for image in provide(catalogue.NODE, on_progress)}


def start(where: Layout, on_progress: Progress) -> None:
    """Start the cluster, unless it runs; what a failed start has begun is undone, its logs stay.

    Raises:
        LocalStackError: Any of its kinds; a part that does not start is named, with its log.
    """
    require_possible(where)
    images = install(on_progress)
    with exclusive(where.lock):
        record = Record.load(where.run)
        if record.well:
            on_progress("the cluster runs already")
            return
        if record.parts:
            ended = ", ".join(sorted(record.parts.keys() - record.running.keys())) or "its start"
            on_progress(f"removing the former cluster: {ended} ended")
        stop(where)
        try:
            _Start(where, images, on_progress).run()
        except BaseException:
            stop(where)
            raise


class _Start:
    """One start."""

    def __init__(self, where: Layout, images: dict[str, Built], on_progress: Progress) -> None:
        self._where, self._images, self._progress = where, images, on_progress
        self._record = Record(where.run / "state.json", str(where.home))
        self._abort = threading.Event()

    def run(self) -> None:
        """In the order in which the parts need each other."""
        where = self._where
        shutil.rmtree(where.logs, ignore_errors=True)
        self._write_files()
        network.set_up(self._record)
        cgroups.make()
        self._start(parts.foundation(where))
        with ThreadPoolExecutor(1) as aside:
            loading = aside.submit(node_images.load, where, self._images.values())
            try:
                self._start(parts.control_plane(where))
                self._start(parts.node(where))
            finally:
                loading.result()
        addons.install_coredns(where, self._images["coredns"].reference)
        addons.install_keda(
            where,
            operator=self._images["keda"].reference,
            adapter=self._images["keda-adapter"].reference,
        )
        addons.wait_until_answering(where, self._progress)
        self._record.complete = True
        self._record.save()

    def _write_files(self) -> None:
        where = self._where
        where.logs.mkdir(mode=0o700, parents=True)
        certificates.write(where.pki)
        runc = shutil.which("runc") or "/usr/sbin/runc"
        files = {
            "containerd.toml": configs.containerd(
                where,
                pause=self._images["pause"].reference,
                shim=builds.CONTAINERD.program("containerd-shim-runc-v2"),
                runc=runc,
                cni=builds.CNI.directory,
            ),
            "cni/10-pods.conflist": configs.cni(where),
            "kubelet.yaml": configs.kubelet(where),
            "proxy.yaml": configs.proxy(where),
            **{
                f"{client.name}.kubeconfig": certificates.kubeconfig(where.pki, client.name)
                for client in certificates.CLIENTS
            },
        }
        for name, text in files.items():
            _write(where.config / name, text)
        _write(where.kubeconfig, files["admin.kubeconfig"])

    def _start(self, wanted: Iterable[Part]) -> None:
        """Start parts at the same time; the first failure ends the waiting for the others."""
        wanted = list(wanted)
        for part in wanted:
            handle = spawn(part.argv, log=self._where.log(part.name), cwd=self._where.data, env={})
            self._record.parts[part.name] = handle
            self._record.save()
        with ThreadPoolExecutor(len(wanted)) as pool:
            futures = [pool.submit(self._wait, part) for part in wanted]
            try:
                for future in as_completed(futures):
                    future.result()
            except BaseException:
                self._abort.set()  # or leaving the pool would wait for the others
                raise
        self._progress(f"{', '.join(part.name for part in wanted)} serve{'s' if len(wanted) == 1 else ''}")

    def _wait(self, part: Part) -> None:
        wait_serving(
            part.name,
            part.check,
            parts.START_SECONDS,
            handle=self._record.parts[part.name],
            log=self._where.log(part.name),
            abort=self._abort,
        )


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    path.touch(mode=0o600)
    path.write_text(text)
