"""Programs from their Go module: built once, kept by version and the checksums of all that goes into them."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import time
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from doublegate.local.cache import cache_dir
from doublegate.local.errors import BuildFailedError, tail
from doublegate.local.servers.go import go_command

if TYPE_CHECKING:
    from collections.abc import Mapping

    from doublegate.local.servers.base import Progress

BUILD_SECONDS = 60 * 60
LIST_SECONDS = 60
PROGRESS_SECONDS = 5.0


@dataclass(frozen=True)
class GoBuild:
    """What is built from one `go.mod`, and how."""

    name: str
    """As people write it; in small letters that of its directory in the cache, too."""
    module: Path
    """The directory with the `go.mod` and `go.sum` that pin everything."""
    programs: Mapping[str, str]
    """The package of each program, by the program's name."""
    release: str
    linker_flags: str
    about_lines: int
    """Lines that a build from nothing prints: modules downloaded, packages compiled."""
    disk_needed: int
    """Bytes of modules and objects, removed afterwards."""
    sources: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    """Folders to keep beside the programs, by their name there: a module's path and the folder inside it."""
    tags: str = ""

    @property
    def directory(self) -> Path:
        """Where the programs are, or will be."""
        sums = (self.module / "go.mod").read_bytes() + (self.module / "go.sum").read_bytes()
        return self._root / f"{self.release}-{hashlib.sha256(sums).hexdigest()[:12]}"

    @property
    def built(self) -> bool:
        """Whether everything is there."""
        return all((self.directory / name).exists() for name in (*self.programs, *self.sources))

    def program(self, name: str) -> Path:
        """Where one program is, or will be."""
        return self.directory / name

    def build(self, on_progress: Progress) -> None:
        """Compile; an interrupted build goes on where it was.

        Raises:
            BuildFailedError: With the compiler's last lines.
        """
        work = self._root / "build"
        made = work / "made"
        shutil.rmtree(made, ignore_errors=True)
        made.mkdir(parents=True)
        log = work / "build.log"
        log.unlink(missing_ok=True)
        go = go_command(self.name, self._needed_go())
        on_progress(f"building {self.name} {self.release} once, which takes minutes; its log is {log}")
        flags = [
            "-v",
            "-trimpath",
            "-ldflags",
            self.linker_flags,
            *(["-tags", self.tags] if self.tags else []),
        ]
        command = [go, "build", *flags, "-o", f"{made}/", *self.programs.values()]
        with ExitStack() as stack:
            output = stack.enter_context(log.open("wb"))
            process = stack.enter_context(
                subprocess.Popen(
                    command, cwd=self.module, env=_environment(work), stdout=output, stderr=output
                )
            )
            stack.callback(process.terminate)  # when we are interrupted; a no-op after its end
            self._follow(process, log, on_progress)
        if process.returncode != 0:
            raise BuildFailedError(f"{self.name} did not build; {log} ends with:\n{tail(log)}")
        for name, package in self.programs.items():
            (made / _default_name(package)).rename(made / name)
        for name, (module, folder) in self.sources.items():
            shutil.copytree(self._source(go, work, module) / folder, made / name)
        shutil.rmtree(self.directory, ignore_errors=True)
        made.rename(self.directory)
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

    def _source(self, go: str, work: Path, module: str) -> Path:
        """Where the module cache has a module's files."""
        said = subprocess.run(
            [go, "list", "-m", "-f", "{{.Dir}}", module],
            cwd=self.module,
            env=_environment(work),
            capture_output=True,
            text=True,
            timeout=LIST_SECONDS,
            check=False,
        )
        if said.returncode != 0:
            raise BuildFailedError(f"{self.name}: the files of {module} are not there: {said.stderr.strip()}")
        return Path(said.stdout.strip())

    @property
    def _root(self) -> Path:
        return cache_dir() / self.name.lower()

    def _needed_go(self) -> tuple[int, ...]:
        said = re.search(r"^go (\d+)\.(\d+)(?:\.(\d+))?$", (self.module / "go.mod").read_text(), re.MULTILINE)
        if said is None:
            raise BuildFailedError(f"{self.module}/go.mod names no Go version: get it anew")
        return tuple(int(part or 0) for part in said.groups())


def _default_name(package: str) -> str:
    """The name that `go build` gives a program: the last element of its package that is no major version."""
    return next(part for part in reversed(package.split("/")) if not re.fullmatch(r"v\d+", part))


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
