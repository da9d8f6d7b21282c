"""Puts the commands together and turns errors into one clear message."""

from __future__ import annotations

import sys
from typing import Any

import typer
from typer.core import TyperGroup

from doublegate.cli import demo, dlq, inspect, run, schema, stack

__all__ = ["USER_ERROR", "app"]

USER_ERROR = 2


class _Commands(TyperGroup):
    """Errors that a person can act on are one message; what is left is a defect and shows its traceback."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except Exception as error:
            if not _expected(error):
                raise
            print(f"error: {error}", file=sys.stderr)
            raise typer.Exit(USER_ERROR) from None


def _expected(error: Exception) -> bool:
    from doublegate.contract.errors import DoublegateError  # noqa: PLC0415
    from doublegate.local.errors import LocalStackError  # noqa: PLC0415

    return isinstance(error, DoublegateError | LocalStackError)


app = typer.Typer(
    cls=_Commands,
    name="doublegate",
    help="Kafka consumers whose side effects happen once.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
app.command("run")(run.run)
app.add_typer(stack.app, name="stack")
app.command("demo")(demo.demo)
app.add_typer(dlq.app, name="dlq")
app.command("inspect")(inspect.inspect)
app.add_typer(schema.app, name="schema")
