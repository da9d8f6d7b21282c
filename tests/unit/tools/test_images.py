"""Images are kept by what goes into them, run as nobody in particular, and start as the public ones do."""

from __future__ import annotations

import importlib.util
import os
import re
from pathlib import Path
from types import ModuleType

import pytest

from tools.images import base, catalogue
from tools.images.recipe import Folder, Recipe

ROOT = Path(__file__).parents[3]
RECIPES = (*catalogue.OURS, *catalogue.STAND_INS, *catalogue.NODE)


def recipe(folder: Path, *, on_base: bool = True, version: str = "1", **arguments: str) -> Recipe:
    return Recipe(
        "it",
        folder / "Dockerfile",
        on_base=on_base,
        folders=lambda: {"server": Folder(folder / "elsewhere", version)},
        arguments=arguments,
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A build context of two files."""
    (tmp_path / "Dockerfile").write_text("FROM scratch\n")
    (tmp_path / "run.py").write_text("print()\n")
    return tmp_path


def test_a_key_changes_with_what_goes_in(folder: Path) -> None:
    before = recipe(folder).key("base")
    assert recipe(folder).key("other base") != before
    assert recipe(folder, version="2").key("base") != before
    assert recipe(folder, PROGRAM="keda").key("base") != before
    (folder / "run.py").chmod(0o755)
    executable = recipe(folder).key("base")
    assert executable != before
    (folder / "run.py").write_text("print(1)\n")
    assert recipe(folder).key("base") != executable


def test_a_key_does_not_change_with_what_stays_out(folder: Path) -> None:
    before = recipe(folder, on_base=False).key("base")
    assert recipe(folder, on_base=False).key("other base") == before
    os.utime(folder / "run.py", (0, 0))
    (folder / "__pycache__").mkdir()
    (folder / "__pycache__" / "run.pyc").write_bytes(b"compiled")
    assert recipe(folder, on_base=False).key("base") == before


@pytest.mark.parametrize(("name", "code"), [("consumer", "consumer_image"), ("operator", "operator")])
def test_our_images_are_what_their_code_and_lock_are(name: str, code: str) -> None:
    [one] = [recipe for recipe in catalogue.OURS if recipe.name == name]
    assert {"uv.lock", code} <= set(one.watched)
    ignored = (ROOT / ".dockerignore").read_text().splitlines()
    assert "*" in ignored
    shown = [line[1:] for line in ignored if line.startswith("!")]
    copied = re.findall(r"^COPY (?!--from)(.*) \S+$", one.dockerfile.read_text(), re.MULTILINE)
    for paths, roots in ((one.watched, shown), (" ".join(copied).split(), one.watched)):
        for path in paths:
            assert any(path == root or path.startswith(f"{root}/") for root in roots), path


@pytest.mark.parametrize("one", RECIPES, ids=lambda one: one.name)
def test_every_image_runs_as_a_numbered_user_that_is_not_root(one: Recipe) -> None:
    lines = one.dockerfile.read_text().splitlines()
    users = [line.split()[1] for line in lines if line.startswith("USER ")]
    assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", users[-1]), "runAsNonRoot can't tell a name's number"


@pytest.mark.parametrize("one", RECIPES, ids=lambda one: one.name)
def test_every_base_is_a_build_argument(one: Recipe) -> None:
    sources = re.findall(r"^FROM (\S+)", one.dockerfile.read_text(), re.MULTILINE)
    assert set(sources) == ({"${BASE}"} if one.on_base else {"scratch"})


def test_the_base_is_pinned_by_its_recipe() -> None:
    assert base.REFERENCE.endswith(base.KEY)
    assert base.SUITE in base.RECIPE


def script(path: str) -> ModuleType:
    """An entry point, which no package has."""
    spec = importlib.util.spec_from_file_location("entry_point", ROOT / "tools" / "images" / path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_kafka_takes_its_settings_from_the_environment() -> None:
    run = script("kafka/run.py")
    environment = {
        "KAFKA_NODE_ID": "1",
        "KAFKA_SASL__MECHANISM": "PLAIN",
        "KAFKA_LISTENER_NAME_A___B": "x",
        "KAFKA_HEAP_OPTS": "-Xmx1G",
        "HOME": "/",
    }
    assert run.properties(environment) == {
        "node.id": "1",
        "sasl_mechanism": "PLAIN",
        "listener.name.a-b": "x",
    }
    assert run.properties({"KAFKA_HEAP_OPTS": "-Xmx1G"}) == run.DEFAULTS


def test_postgres_wants_a_password(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    entrypoint = script("postgres/entrypoint.py")
    monkeypatch.delenv("POSTGRES_PASSWORD", raising=False)
    with pytest.raises(SystemExit, match="POSTGRES_PASSWORD is not set"):
        entrypoint.initialise(tmp_path / "data")
    assert list(tmp_path.iterdir()) == []
