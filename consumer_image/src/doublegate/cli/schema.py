"""`doublegate schema`: is a change of a schema compatible, and who would it break."""

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from doublegate.cli.schema_registry import REGISTRY, Registry, diff, list_subjects, open_registry, register

if TYPE_CHECKING:
    from pydantic import BaseModel

    from doublegate.evolution import Verdict
    from doublegate.evolution.repository import Subject

__all__ = ["app"]

app = typer.Typer(
    help="Schemas as contracts: check, impact, fields, register, diff, list.", no_args_is_help=True
)

INCOMPATIBLE = 1

Schemas = Annotated[
    Path,
    typer.Argument(help="A folder of schemas named after their subjects (*.avsc, *.json, *.proto), or one."),
]


@app.command("check")
def check_schemas(path: Schemas, *, registry: Registry = REGISTRY) -> None:
    """Check schemas against their earlier versions and their consumers.

    Ends with 0 when all are compatible, 1 when one is not, 2 when that can't be told.
    """
    from doublegate.evolution import check  # noqa: PLC0415

    _judge(path, registry, check)


@app.command("impact")
def show_impact(path: Schemas, *, registry: Registry = REGISTRY) -> None:
    """Tell which consumers can't read the schemas; the end is as that of check."""
    from doublegate.evolution import impact  # noqa: PLC0415

    _judge(path, registry, impact)


@app.command("fields")
def declare_fields(
    model: Annotated[str, typer.Argument(help="The handler, or its pydantic model, as module:name.")],
    *,
    subject: Annotated[str, typer.Option(help="That it reads.")],
    consumer: Annotated[str, typer.Option(help="Its name, for reports.")],
    app_dir: Annotated[Path, typer.Option(help="Directory of the module.")] = Path(),
) -> None:
    """Print which fields a consumer reads, for consumers/NAME.fields.json beside the schemas."""
    from doublegate.evolution import Declaration  # noqa: PLC0415

    sys.path.insert(0, str(app_dir.resolve()))
    typer.echo(Declaration.of(consumer, subject, model, _model(model)).text(), nl=False)


app.command("register")(register)
app.command("diff")(diff)
app.command("list")(list_subjects)


def _judge(path: Path, registry: str | None, judge: "Callable[[Subject], Verdict]") -> None:
    from doublegate.evolution.report import annotations, lines  # noqa: PLC0415
    from doublegate.evolution.repository import read_subjects  # noqa: PLC0415

    verdicts = [judge(subject) for subject in read_subjects(path, open_registry(registry))]
    on_github = os.environ.get("GITHUB_ACTIONS") == "true"
    for verdict in verdicts:
        for line in (*lines(verdict), *(annotations(verdict) if on_github else ())):
            typer.echo(line)
    if any(verdict.findings for verdict in verdicts):
        raise typer.Exit(INCOMPATIBLE)


def _model(reference: str) -> "type[BaseModel]":
    """The model of that name, or the one that the handler of that name takes."""
    import inspect  # noqa: PLC0415
    import pkgutil  # noqa: PLC0415

    from pydantic import BaseModel  # noqa: PLC0415

    from doublegate.evolution import CannotCheck  # noqa: PLC0415
    from doublegate.runtime.handler import inspect_handler  # noqa: PLC0415

    try:
        found = pkgutil.resolve_name(reference)
    except (ImportError, AttributeError, ValueError) as error:
        raise CannotCheck(f"{reference}: cannot be imported: {error}; is --app-dir its directory?") from error
    if inspect.isclass(found) and issubclass(found, BaseModel):
        return found
    if (model := inspect_handler(found, reference).model) is None:
        raise CannotCheck(f"{reference}: the handler takes no pydantic model, so its fields are not known")
    return model
