"""Apicurio Registry, which speaks the Confluent API; its schemas are in a file, so that they outlive it."""

from __future__ import annotations

import shutil
import tarfile
from typing import TYPE_CHECKING

import requests

from doublegate.local import artifacts
from doublegate.local.cache import cache_dir
from doublegate.local.download import fetch
from doublegate.local.ports import LOOPBACK
from doublegate.local.servers.base import Launch, Progress, Site
from doublegate.local.servers.java import java

if TYPE_CHECKING:
    from pathlib import Path

PROBE_SECONDS = 5
HEAP_MIB = 256
UNPACKED_RATIO = 2  # archive and unpacked application are there together for a moment


class Registry:
    """The schema registry."""

    port_names = ("http", "management")
    start_seconds = 180.0

    def disk_needed(self) -> int:
        """The archive and what comes out of it."""
        if application().exists():
            return 0
        return UNPACKED_RATIO * sum(artifact.size for artifact in artifacts.locked("registry").artifacts)

    def install(self, on_progress: Progress) -> None:
        """Download, verify, unpack aside, then move: what is there is complete."""
        home = application()
        if home.exists():
            return
        [archive] = artifacts.locked("registry").artifacts
        fetch("the registry", artifacts.locked("registry").missing(home.parent), home.parent, on_progress)
        packed = home.parent / archive.filename
        archive.verify(packed)
        on_progress("unpacking the registry")
        aside = home.with_name("unpacking")
        shutil.rmtree(aside, ignore_errors=True)  # half of an interrupted attempt
        with tarfile.open(packed) as tar:
            tar.extractall(aside)  # noqa: S202 - the lock vouches for it, and 3.11.2 has no filters
        aside.rename(home)
        packed.unlink()

    def prepare(self, site: Site) -> Launch:
        """Everything it needs is on its command line."""
        # Without the delay of H2 a registered schema is on disk before it is acknowledged.
        settings = {
            "quarkus.http.host": LOOPBACK,
            "quarkus.http.port": site.ports["http"],
            "quarkus.management.host": LOOPBACK,
            "quarkus.management.port": site.ports["management"],
            "apicurio.datasource.url": f"jdbc:h2:file:{site.data}/registry;WRITE_DELAY=0",
        }
        [jar] = application().rglob("quarkus-run.jar")
        # It serves few requests and never gets hot: the first compiler alone starts it faster.
        quick = ("-XX:TieredStopAtLevel=1", *(f"-D{name}={value}" for name, value in settings.items()))
        return Launch(java(*quick, "-jar", str(jar), heap_mib=HEAP_MIB, site=site))

    def check(self, site: Site) -> None:
        """Ask for the subjects as a client would."""
        url = f"{self.endpoints(site)['registry_url']}/subjects"
        requests.get(url, timeout=PROBE_SECONDS).raise_for_status()

    def endpoints(self, site: Site) -> dict[str, str]:
        """The root of the Confluent API."""
        return {"registry_url": f"http://{LOOPBACK}:{site.ports['http']}/apis/ccompat/v7"}


def application() -> Path:
    """Where the unpacked application is, once installed."""
    return cache_dir() / "registry" / artifacts.locked("registry").version / "app"
