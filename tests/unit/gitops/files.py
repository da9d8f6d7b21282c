"""The files of `deploy/gitops`, as they are committed."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import yaml

from tools.render.platform import GITOPS
from tools.render.trees import TREES

__all__ = ["APPLIED", "README", "documents", "kustomization", "one", "table", "texts", "walk"]

Object = dict[str, Any]

APPLIED = TREES[:-1]
"""The trees that everybody applies, in their order; the last one is optional."""
README = (GITOPS / "README.md").read_text()


def kustomization(folder: str) -> Object:
    """Of a folder."""
    found: Object = yaml.safe_load((GITOPS / folder / "kustomization.yaml").read_text())
    return found


def documents(folder: str) -> list[Object]:
    """The objects of a folder."""
    paths = [GITOPS / folder / name for name in kustomization(folder)["resources"]]
    return [one for path in paths for one in yaml.safe_load_all(path.read_text())]


def one(folder: str, name: str) -> Object:
    """The only object of a file."""
    found: Object = yaml.safe_load((GITOPS / folder / f"{name}.yaml").read_text())
    return found


def texts(folder: str) -> dict[str, str]:
    """The files' texts."""
    return {path.name: path.read_text() for path in (GITOPS / folder).rglob("*") if path.is_file()}


def walk(value: Any) -> Iterator[tuple[str, Any]]:
    """Every field, however deep."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield key, inner
            yield from walk(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from walk(inner)


def table(header: str) -> dict[str, list[str]]:
    """A table of the README: what is in backticks in each row, by the first of it."""
    rows = README.split(header)[1].split("\n\n")[0].splitlines()[2:]
    cells = [re.findall(r"`([^`]+)`", row) for row in rows]
    return {row[0]: row[1:] for row in cells}
