"""Jaeger is built once, by a toolchain that is new enough, and a failure shows the compiler's words."""

from __future__ import annotations

import sys
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from doublegate.local.errors import BuildFailedError
from doublegate.local.model import Service
from doublegate.local.servers import go, jaeger
from doublegate.local.servers.base import Site

if TYPE_CHECKING:
    from pathlib import Path

BUILDS = """\
#!/bin/sh
if [ "$1" = version ]; then echo "go version go1.99.0 linux/amd64"; exit; fi
echo "$GOFLAGS $CGO_ENABLED" >&2
while [ $# -gt 1 ]; do if [ "$1" = -o ]; then echo jaeger > "$2/jaeger"; fi; shift; done
"""
FAILS = """\
#!/bin/sh
if [ "$1" = version ]; then echo "go version go1.99.0 linux/amd64"; exit; fi
echo "main.go:1: no such thing" >&2
exit 1
"""
OLD = """\
#!/bin/sh
echo "go version go1.2 linux/amd64"
"""


@pytest.fixture
def tools(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory of commands, alone on the PATH but for the shell; an empty cache."""
    monkeypatch.setenv("DOUBLEGATE_CACHE", str(tmp_path / "cache"))
    directory = tmp_path / "bin"
    directory.mkdir()
    monkeypatch.setenv("PATH", f"{directory}")
    monkeypatch.setattr(sys, "executable", str(tmp_path / "elsewhere" / "python"))
    return directory


def add_go(directory: Path, script: str) -> Path:
    command = directory / "go"
    command.write_text(script)
    command.chmod(0o755)
    return command


def test_a_build_leaves_the_binary_and_nothing_else(tools: Path) -> None:
    add_go(tools, BUILDS)
    server = jaeger.Jaeger()
    assert server.disk_needed() == jaeger.BUILD.disk_needed
    server.install(print)
    assert jaeger.BUILD.program("jaeger").read_text() == "jaeger\n"
    assert server.disk_needed() == 0
    assert [path.name for path in jaeger.BUILD.directory.parent.iterdir()] == [jaeger.BUILD.directory.name]


def test_a_built_one_needs_no_toolchain(tools: Path) -> None:
    add_go(tools, BUILDS)
    jaeger.Jaeger().install(print)
    (tools / "go").unlink()
    jaeger.Jaeger().install(print)


def test_a_failure_shows_the_compilers_words(tools: Path) -> None:
    add_go(tools, FAILS)
    with pytest.raises(BuildFailedError, match=r"main\.go:1: no such thing"):
        jaeger.BUILD.build(print)
    assert not jaeger.BUILD.built


def test_other_modules_are_another_binary(tmp_path: Path) -> None:
    built = jaeger.BUILD
    (tmp_path / "go.mod").write_bytes((built.module / "go.mod").read_bytes() + b"\n")
    (tmp_path / "go.sum").write_bytes((built.module / "go.sum").read_bytes())
    assert replace(built, module=tmp_path).directory != built.directory


def test_an_old_toolchain_is_passed_over_for_the_one_beside_python(tools: Path, tmp_path: Path) -> None:
    add_go(tools, OLD)
    with pytest.raises(BuildFailedError, match=r"Go 1\.25\.0 or newer: install doublegate\[local\]"):
        go.go_command("Jaeger", (1, 25, 0))
    beside = tmp_path / "elsewhere"
    beside.mkdir()
    expected = add_go(beside, BUILDS)
    assert go.go_command("Jaeger", (1, 25, 0)) == str(expected)


def test_every_listener_is_on_loopback(tmp_path: Path) -> None:
    ports = dict(zip(jaeger.Jaeger.port_names, range(20_000, 21_000), strict=False))
    site = Site(Service.JAEGER, tmp_path, ports)
    jaeger.Jaeger().prepare(site)
    config = (tmp_path / "jaeger.yaml").read_text()
    listeners = [line.split()[1] for line in config.splitlines() if "endpoint:" in line]
    assert sorted(listeners) == sorted(f"127.0.0.1:{port}" for port in ports.values())
