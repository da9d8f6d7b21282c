"""The commands of `doublegate schema` that are about a registry: register, diff, list."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from doublegate.cli.options import AsJson

if TYPE_CHECKING:
    from doublegate.evolution.levels import Version
    from doublegate.evolution.registered import Registered

__all__ = ["REGISTRY", "Registry", "diff", "list_subjects", "open_registry", "register"]

_Option = typer.Option(
    "--registry",
    envvar="DOUBLEGATE_REGISTRY",
    help="Base URL of the registry's Confluent API; user and password may be in it.",
)
Registry = Annotated[str | None, _Option]
Needed = Annotated[str, _Option]
REGISTRY: str | None = None

INCOMPATIBLE = 1


def open_registry(url: str | None) -> "Registered | None":
    """The registry at that address, if there is one."""
    from doublegate.evolution.registered import Registered  # noqa: PLC0415

    return None if url is None else Registered(url)


def register(
    path: Annotated[Path, typer.Argument(help="A folder of schemas named after their subjects, or one.")],
    *,
    registry: Needed,
) -> None:
    """Check schemas, then register them with their compatibility; none, when one is not compatible."""
    from doublegate.evolution import check  # noqa: PLC0415
    from doublegate.evolution.registered import Registered  # noqa: PLC0415
    from doublegate.evolution.report import lines  # noqa: PLC0415
    from doublegate.evolution.repository import read_subjects  # noqa: PLC0415
    from doublegate.schemas import Incompatible  # noqa: PLC0415

    registered = Registered(registry)
    subjects = read_subjects(path, registered)
    if wrong := [verdict for subject in subjects if (verdict := check(subject)).findings]:
        for verdict in wrong:
            for line in lines(verdict):
                typer.echo(line)
        typer.echo("error: nothing was registered", err=True)
        raise typer.Exit(INCOMPATIBLE)
    for subject in subjects:
        try:
            number = registered.register(subject.name, subject.schema, subject.level)
        except Incompatible as error:  # its rules may be stricter than ours
            typer.echo(f"error: {error}", err=True)
            raise typer.Exit(INCOMPATIBLE) from error
        typer.echo(f"{subject.name} {subject.level}: registered, schema id {number}")


def diff(
    file: Annotated[Path, typer.Argument(help="A schema, named after its subject.")],
    before: Annotated[
        str | None,
        typer.Argument(help="A commit, or v3 for the registry's version 3; else the newest earlier."),
    ] = None,
    after: Annotated[str | None, typer.Argument(help="The same; else the file.")] = None,
    *,
    registry: Registry = REGISTRY,
) -> None:
    """Show what changed between two versions, field by field."""
    from doublegate.evolution import Version  # noqa: PLC0415
    from doublegate.evolution import diff as changes_between  # noqa: PLC0415
    from doublegate.evolution.repository import read_file, versions_of  # noqa: PLC0415

    new = Version(str(file), read_file(file))
    earlier = versions_of(file, open_registry(registry))
    old = (
        _pick(before, earlier)
        if before
        else next((v for v in earlier if v.schema.tree != new.schema.tree), new)
    )
    new = _pick(after, earlier) if after else new
    typer.echo(f"{old.label} -> {new.label}")
    changes = [str(change) for change in changes_between(old.schema, new.schema)]
    for line in changes or ["no field differs"]:
        typer.echo(line)


def list_subjects(*, registry: Needed, as_json: AsJson = False) -> None:
    """List the registry's subjects with their versions and their compatibility."""
    from doublegate.evolution.registered import Registered  # noqa: PLC0415

    registered = Registered(registry)
    rows = [
        {"subject": name, "versions": registered.numbers(name), "compatibility": registered.level(name)}
        for name in registered.subjects()
    ]
    if as_json:
        typer.echo(json.dumps(rows))
        return
    for row in rows:
        numbers = ", ".join(map(str, row["versions"]))
        typer.echo(f"{row['subject']:40} {row['compatibility']:20} {numbers}")
    typer.echo(f"{len(rows)} subjects")


def _pick(name: str, versions: "list[Version]") -> "Version":
    from doublegate.evolution import CannotCheck  # noqa: PLC0415
    from doublegate.evolution.registered import label_of  # noqa: PLC0415

    wanted = label_of(int(name[1:])) if name[:1] == "v" and name[1:].isdigit() else f"commit {name[:7]}"
    for version in versions:
        if version.label == wanted:
            return version
    known = ", ".join(version.label for version in versions) or "none"
    raise CannotCheck(f"there is no version {name}; there are: {known} (those of a registry need --registry)")
