"""The schemas of a folder, named after their subjects, with all that a check of them needs."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import yaml
from pydantic import TypeAdapter, ValidationError

from doublegate.contract.kafka_spec import Compatibility
from doublegate.evolution.declaration import SUFFIX, Declaration, load_declaration
from doublegate.evolution.errors import CannotCheck
from doublegate.evolution.history import earlier_texts
from doublegate.evolution.levels import Version
from doublegate.evolution.registered import Registered
from doublegate.evolution.schema import SUFFIXES, Schema, read_schema

__all__ = ["CONSUMERS", "LEVELS", "Subject", "read_file", "read_subjects", "versions_of"]

LEVELS = "compatibility.yaml"
"""Levels by subject, for those that differ from the default."""
CONSUMERS = "consumers"
"""The folder of the declarations."""
_DEFAULT = Compatibility.FULL_TRANSITIVE
_Levels = TypeAdapter(dict[str, Compatibility])


@dataclass(frozen=True, slots=True)
class Subject:
    """A schema file and what it is checked against.

    Attributes:
        name: the subject's, the file's without its suffix.
        file: where the schema is.
        schema: the version in question.
        level: what is demanded.
        earlier: versions from Git and from the registry, each newest first, without those that are the same.
        consumers: who reads it.
        skipped: why the file was no schema of its own in some commits.
    """

    name: str
    file: Path
    schema: Schema
    level: Compatibility
    earlier: tuple[tuple[Version, ...], ...] = ()
    consumers: tuple[Declaration, ...] = ()
    skipped: tuple[str, ...] = ()


def read_subjects(path: Path, registered: Registered | None = None) -> list[Subject]:
    """The subjects of a folder, or of one file, with their earlier versions.

    Raises:
        CannotCheck: a file, the history or the registry can't be read.
    """
    files = _files(path)
    folder = files[0].parent
    names = {file.stem for file in _schemas(folder)}
    levels, declared = _levels(folder, names), list(_declarations(folder, names))
    return [_subject(file, levels, declared, registered) for file in files]


def read_file(file: Path) -> Schema:
    """The schema in a file, whose suffix says its format.

    Raises:
        CannotCheck: it can't be read.
    """
    if (kind := SUFFIXES.get(file.suffix)) is None:
        raise CannotCheck(f"{file}: a schema is a file named {', '.join(f'*{one}' for one in SUFFIXES)}")
    try:
        return read_schema(file.read_text(), kind, str(file))
    except (OSError, UnicodeDecodeError) as error:
        raise CannotCheck(f"{file}: cannot be read: {error}") from error


def _files(path: Path) -> list[Path]:
    if not path.is_dir():
        return [path]
    if not (files := _schemas(path)):
        raise CannotCheck(
            f"{path}: no schema is there; schemas are named {', '.join(f'*{s}' for s in SUFFIXES)}"
        )
    return files


def _schemas(folder: Path) -> list[Path]:
    files = sorted(file for file in folder.iterdir() if file.suffix in SUFFIXES) if folder.is_dir() else []
    for one, other in pairwise(files):
        if one.stem == other.stem:
            raise CannotCheck(f"{other}: the subject {one.stem} has {one.name} too; a subject has one schema")
    return files


def _subject(
    file: Path,
    levels: Mapping[str, Compatibility],
    declared: list[Declaration],
    registered: Registered | None,
) -> Subject:
    schema = read_file(file)
    committed, skipped = _committed(file)
    known = [] if registered is None else registered.versions(file.stem)
    return Subject(
        name=file.stem,
        file=file,
        schema=schema,
        level=levels.get(file.stem, _DEFAULT),
        earlier=tuple(tuple(_different(versions, schema)) for versions in (committed, known)),
        consumers=tuple(one for one in declared if one.subject == file.stem),
        skipped=tuple(skipped),
    )


def versions_of(file: Path, registered: Registered | None) -> list[Version]:
    """All that there is of a subject: the registry's versions first, then Git's, each newest first."""
    return [*([] if registered is None else registered.versions(file.stem)), *_committed(file)[0]]


def _committed(file: Path) -> tuple[list[Version], list[str]]:
    """The versions in Git, and why others are none."""
    versions, skipped = [], []
    for commit, text in earlier_texts(file):
        label = f"commit {commit}"
        try:
            versions.append(Version(label, read_schema(text, SUFFIXES[file.suffix], label)))
        except CannotCheck as error:
            skipped.append(str(error))
    return versions, skipped


def _different(versions: list[Version], schema: Schema) -> Iterator[Version]:
    seen = [schema.tree]
    for version in versions:
        if version.schema.tree not in seen:
            seen.append(version.schema.tree)
            yield version


def _levels(folder: Path, names: set[str]) -> dict[str, Compatibility]:
    file = folder / LEVELS
    if not file.exists():
        return {}
    try:
        levels = _Levels.validate_python(yaml.safe_load(file.read_text()) or {})
    except (OSError, UnicodeDecodeError, yaml.YAMLError, ValidationError) as error:
        allowed = ", ".join(Compatibility)
        raise CannotCheck(f"{file}: it does not map subjects to levels ({allowed}): {error}") from error
    if unknown := set(levels) - names:
        raise CannotCheck(f"{file}: no schema of the subject {min(unknown)} is beside it; correct the name")
    return levels


def _declarations(folder: Path, names: set[str]) -> Iterator[Declaration]:
    for file in sorted((folder / CONSUMERS).glob(f"*{SUFFIX}")):
        declaration = load_declaration(file)
        if declaration.subject not in names:
            raise CannotCheck(
                f"{file}: no schema of the subject {declaration.subject} is in {folder}; correct the name"
            )
        yield declaration
