"""Programs from one module: all of them or none, under their names, with the folders that belong to them."""

from __future__ import annotations

import re
import sys
from typing import TYPE_CHECKING

import pytest

from doublegate.local.errors import BuildFailedError
from doublegate.local.servers.go_build import GoBuild
from tools import builds

if TYPE_CHECKING:
    from pathlib import Path

# Writes what `go build -o DIR/ PACKAGES` would, and its arguments beside it.
GO = """\
#!/bin/sh
case "$1" in
version) echo "go version go1.99.0 linux/amd64" ;;
list) echo "SOURCES" ;;
build)
  while [ "$1" != -o ]; do [ "$1" = -tags ] && tags=$2; shift; done
  into=$2; shift 2
  for package; do
    case "$package" in */v[0-9]*) package=${package%/*} ;; esac
    name=${package##*/}
    echo "$tags" > "$into$name"
  done ;;
esac
"""


@pytest.fixture
def build(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> GoBuild:
    """Of two programs and a folder, by a toolchain that only pretends."""
    monkeypatch.setenv("DOUBLEGATE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:/usr/bin:/bin")
    monkeypatch.setattr(sys, "executable", str(tmp_path / "elsewhere" / "python"))
    (tmp_path / "sources" / "config").mkdir(parents=True)
    (tmp_path / "sources" / "config" / "crd.yaml").write_text("kind: CustomResourceDefinition\n")
    go = tmp_path / "bin" / "go"
    go.parent.mkdir()
    go.write_text(GO.replace("SOURCES", str(tmp_path / "sources")))
    go.chmod(0o755)
    module = tmp_path / "module"
    module.mkdir()
    (module / "go.mod").write_text("module example\n\ngo 1.26\n")
    (module / "go.sum").write_text("")
    return GoBuild(
        name="Tool",
        module=module,
        programs={"one": "example.org/cmd/operator", "two": "example.org/server/v3"},
        release="v1.0.0",
        linker_flags="-s",
        about_lines=1,
        disk_needed=1,
        sources={"config": ("example.org/tool", "config")},
        tags="osusergo",
    )


def test_everything_is_there_under_its_own_name(build: GoBuild, tmp_path: Path) -> None:
    assert not build.built
    build.build(print)
    assert build.built
    assert sorted(path.name for path in build.directory.iterdir()) == ["config", "one", "two"]
    assert build.program("two").read_text() == "osusergo\n"
    assert (build.program("config") / "crd.yaml").exists()
    assert [path.name for path in (tmp_path / "cache" / "tool").iterdir()] == [build.directory.name]


def test_a_part_that_is_missing_is_built_again(build: GoBuild) -> None:
    build.build(print)
    build.program("two").unlink()
    assert not build.built
    build.build(print)
    assert build.built


def test_a_go_version_of_two_numbers_is_enough_and_none_is_not(build: GoBuild) -> None:
    build.build(print)
    (build.module / "go.mod").write_text("module example\n")
    with pytest.raises(BuildFailedError, match="names no Go version"):
        build.build(print)


@pytest.mark.parametrize("build", [*builds.CLUSTER, *builds.CHARTS], ids=lambda build: build.name)
def test_the_release_is_the_one_that_the_module_pins(build: GoBuild) -> None:
    required = re.findall(
        r"^(?:require)?\s+(\S+) (v\S+)", (build.module / "go.mod").read_text(), re.MULTILINE
    )
    versions = dict(required)
    for package in build.programs.values():
        [module] = [name for name in versions if f"{package}/".startswith(f"{name}/")]
        assert versions[module] == build.release
    sums = (build.module / "go.sum").read_text()
    for module in (module for module, _ in build.sources.values()):
        assert f"{module} {build.release} h1:" in sums


def test_kubernetes_calls_itself_by_its_release() -> None:
    flags = builds.KUBERNETES.linker_flags
    assert flags.count(f"gitVersion={builds.KUBERNETES.release}") == 2
    assert "gitMinor=35" in flags
