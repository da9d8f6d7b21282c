"""The charts, as Helm renders them."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from doublegate.local.errors import LocalStackError
from doublegate.local.servers.go_build import GoBuild
from tools import builds

__all__ = ["CHARTS", "CI", "NAMESPACE", "OPERATOR", "Rendered", "helm", "lacking", "program", "render"]

CHARTS = Path(__file__).parents[2] / "charts"
OPERATOR = CHARTS / "doublegate-operator"
CI = {path.stem: path for path in sorted((OPERATOR / "ci").glob("*.yaml"))}
"""The sets of values that are tried."""
NAMESPACE = "apart"
"""Of the release; no set of values names it."""
RELEASE = "dg"
SECONDS = 60

Object = dict[str, Any]

_asked: dict[str, str] = {}


def lacking(build: GoBuild, on_progress: Callable[[str], None] = print) -> str:
    """Why a program can't be had; empty once it is there. A build that failed is not tried again."""
    if build.name not in _asked:
        try:
            builds.provide(build, on_progress)
        except LocalStackError as error:
            _asked[build.name] = str(error)
        else:
            _asked[build.name] = ""
    return _asked[build.name]


def program(build: GoBuild, name: str) -> str:
    """A program; the test is skipped, aloud, where it can't be had."""
    if problem := lacking(build):
        pytest.skip(f"{name} can't be had here: {problem}")
    return str(build.program(name))


def helm(*arguments: str | Path, succeeds: bool = True) -> str:
    """What Helm says; with `succeeds` false, what it complains of."""
    done = subprocess.run(
        [program(builds.HELM, "helm"), *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    assert (done.returncode == 0) == succeeds, done.stderr + done.stdout
    return done.stdout if succeeds else done.stderr


@dataclass(frozen=True)
class Rendered:
    """The objects of one set of values."""

    objects: list[Object]

    def of(self, kind: str) -> list[Object]:
        """Those of a kind."""
        return [one for one in self.objects if one["kind"] == kind]

    def one(self, kind: str) -> Object:
        """The only one of a kind."""
        [found] = self.of(kind)
        return found


def render(*arguments: str | Path, chart: Path = OPERATOR) -> Rendered:
    """`helm template` with values by `--values` and `--set`."""
    text = helm("template", RELEASE, chart, f"--namespace={NAMESPACE}", *arguments)
    return Rendered([one for one in yaml.safe_load_all(text) if one])
