"""Builds the images that are not in the cache yet."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from doublegate.local.cache import cache_dir, exclusive, require_free
from doublegate.local.stack import Stack
from tools import packages
from tools.images import base, buildah
from tools.images.catalogue import OURS, STAND_INS
from tools.images.recipe import KEY_DIGITS

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path

    from doublegate.local.servers.base import Progress
    from tools.images.recipe import Recipe

__all__ = ["Built", "provide", "provide_all", "references"]

DISK = 4 << 30
KEPT = 2
"""Versions of an image: several checkouts share the cache."""


@dataclass(frozen=True)
class Built:
    """An image in the cache: its name in the catalogue, in the node, and its archive."""

    name: str
    reference: str
    archive: Path


def provide_all(on_progress: Progress) -> list[Built]:
    """Those of this project and the stand-ins, with the servers that the latter are made of."""
    Stack(cache_dir() / "images", on_progress=on_progress).install()
    return provide((*OURS, *STAND_INS), on_progress)


def references() -> dict[str, str]:
    """The images of `provide_all` by name, as the files are now; whether they were built is not asked."""
    return {recipe.name: recipe.reference(recipe.key(base.KEY)) for recipe in (*OURS, *STAND_INS)}


def provide(recipes: Collection[Recipe], on_progress: Progress) -> list[Built]:
    """Build what is missing; old versions are removed.

    Raises:
        LocalStackError: Any of its kinds: no room, no program, a step failed.
    """
    archives = cache_dir() / "images"
    archives.mkdir(parents=True, exist_ok=True)

    def on_wait() -> None:
        on_progress("waiting for another process that builds images")

    with exclusive(archives / "build.lock", on_wait):
        wanted = {recipe.name: (recipe, recipe.key(base.KEY)) for recipe in recipes}
        built = {
            name: Built(name, recipe.reference(key), archives / f"{name}-{key}.tar")
            for name, (recipe, key) in wanted.items()
        }
        missing = [name for name, image in built.items() if not image.archive.exists()]
        if missing:
            packages.provide(packages.FOR_IMAGES, on_progress)
            require_free(archives, DISK)
        try:
            if any(wanted[name][0].on_base for name in missing):
                base.provide(archives, on_progress)
            for name in missing:
                _build(wanted[name][0], built[name], on_progress)
        finally:
            if missing:
                buildah.tidy()
    return list(built.values())


def _build(recipe: Recipe, image: Built, on_progress: Progress) -> None:
    on_progress(f"building image {image.reference}")
    buildah.build(
        image.reference,
        recipe.dockerfile,
        recipe.directory,
        arguments={**({"BASE": base.REFERENCE} if recipe.on_base else {}), **recipe.arguments},
        folders={name: folder.path for name, folder in recipe.folders().items()},
        log=image.archive.with_name(f"{recipe.name}.log"),
    )
    buildah.save(image.reference, image.archive)
    versions = image.archive.parent.glob(f"{recipe.name}-{'?' * KEY_DIGITS}.tar")
    for former in sorted(versions, key=lambda path: path.stat().st_mtime)[:-KEPT]:
        former.unlink()
