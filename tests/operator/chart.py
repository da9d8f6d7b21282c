"""The charts, as Helm renders them."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from doublegate.local.errors import LocalStackError
from doublegate.local.servers.go_build import GoBuild
from tools import builds

__all__ = ["CHARTS", "CI", "NAMESPACE", "OPERATOR", "Rendered", "helm", "program", "render"]

CHARTS = Path(__file__).parents[2] / "charts"
OPERATOR = CHARTS / "doublegate-operator"
CI = {path.stem: path for path in sorted((OPERATOR / "ci").glob("*.yaml"))}
"""The sets of values that are tried."""
NAMESPACE = "apart"
"""Of the release; no set of values names it."""
RELEASE = "dg"
SECONDS = 60

Object = dict[str, Any]


def program(build: GoBuild, name: str) -> str:
    """A program, built if it must be; the test is skipped, aloud, where that can't be done."""
    try:
        builds.provide(build, lambda text: print(text, flush=True))
    except LocalStackError as error:
        pytest.skip(f"{name} can't be had here: {error}")
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
