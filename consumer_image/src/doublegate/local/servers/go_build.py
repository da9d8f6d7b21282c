"""A server from its Go module: built once, kept by its version and the checksums of all that goes into it."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from doublegate.local.cache import cache_dir
from doublegate.local.errors import BuildFailedError, tail
from doublegate.local.servers.go import go_command

if TYPE_CHECKING:
    from doublegate.local.servers.base import Progress

BUILD_SECONDS = 60 * 60
PROGRESS_SECONDS = 5.0


@dataclass(frozen=True)
class GoBuild:
    """One server and how it is built."""

    name: str
    """As people write it; in small letters that of its binary, too."""
    module: Path
    """The directory with the `go.mod` and `go.sum` that pin everything."""
    package: str
    release: str
    linker_flags: str
    about_lines: int
    """Lines that a build from nothing prints: modules downloaded, packages compiled."""
    disk_needed: int
    """Bytes of modules and objects, removed afterwards."""

    @property
    def binary(self) -> Path:
        """Where the built server is, or will be."""
        sums = (self.module / "go.mod").read_bytes() + (self.module / "go.sum").read_bytes()
        version = f"{self.release}-{hashlib.sha256(sums).hexdigest()[:12]}"
        return self._root / version / self.name.lower()

    def build(self, on_progress: Progress) -> None:
        """Compile it; an interrupted build goes on where it was.

        Raises:
            BuildFailedError: With the compiler's last lines.
        """
        work = self._root / "build"
        work.mkdir(parents=True, exist_ok=True)
        made = work / self.binary.name
        log = work / "build.log"
        with ExitStack() as stack:
            go = go_command(self.name, self._needed_go())
            command = [go, "build", "-v", "-trimpath", "-ldflags", self.linker_flags, "-o", str(made)]
            output = stack.enter_context(log.open("wb"))
            on_progress(f"building {self.name} {self.release} once, which takes minutes; its log is {log}")
            process = stack.enter_context(
                subprocess.Popen(
                    [*command, self.package],
                    cwd=self.module,
                    env=_environment(work),
                    stdout=output,
                    stderr=output,
                )
            )
            stack.callback(process.terminate)  # when we are interrupted; a no-op after its end
            self._follow(process, log, on_progress)
        if process.returncode != 0:
            raise BuildFailedError(f"{self.name} did not build; {log} ends with:\n{tail(log)}")
        self.binary.parent.mkdir(parents=True, exist_ok=True)
        made.replace(self.binary)
        on_progress(f"{self.name} is built; removing what building it took")
        shutil.rmtree(work, ignore_errors=True)

    def _follow(self, process: subprocess.Popen[bytes], log: Path, on_progress: Progress) -> None:
        started = time.monotonic()
        while process.poll() is None:
            taken = time.monotonic() - started
            if taken > BUILD_SECONDS:
                raise BuildFailedError(
                    f"{self.name} was not built within {BUILD_SECONDS} s; start again, it goes on from there"
                )
            try:
                process.wait(timeout=PROGRESS_SECONDS)
            except subprocess.TimeoutExpired:
                done = log.read_bytes().count(b"\n")
                on_progress(f"building {self.name}: {done} of about {self.about_lines} steps, {taken:.0f} s")

    @property
    def _root(self) -> Path:
        return cache_dir() / self.name.lower()

    def _needed_go(self) -> tuple[int, ...]:
        said = re.search(r"^go (\d+)\.(\d+)\.(\d+)$", (self.module / "go.mod").read_text(), re.MULTILINE)
        if said is None:
            raise BuildFailedError(f"{self.module}/go.mod names no Go version: get it anew")
        return tuple(map(int, said.groups()))


def _environment(work: Path) -> dict[str, str]:
    return {
        **os.environ,
        "CGO_ENABLED": "0",
        "GOFLAGS": "-mod=readonly -modcacherw",  # read-only modules could not be removed afterwards
        "GOWORK": "off",
        "GOTOOLCHAIN": "local",
        "GOCACHE": str(work / "gocache"),
        "GOMODCACHE": str(work / "gomodcache"),
    }
