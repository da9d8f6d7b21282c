"""`doublegate run`: one consumer process."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from doublegate.cli.options import IN_A_POD

__all__ = ["run"]


def run(
    consumer: Annotated[Path, typer.Argument(help="The consumer's YAML.")] = IN_A_POD,
    *,
    http_host: Annotated[str, typer.Option(help="Where probes, metrics and status are served.")] = "0.0.0.0",  # noqa: S104
    http_port: Annotated[int, typer.Option(min=0, max=65535, help="Its port; 0 takes a free one.")] = 8080,
    app_dir: Annotated[Path, typer.Option(help="Directory of the handler's module.")] = Path(),
    log_level: Annotated[str, typer.Option(help="DEBUG, INFO, WARNING or ERROR.")] = "INFO",
    until_stdin_closes: Annotated[
        bool, typer.Option("--until-stdin-closes", help="End when whoever started this process is gone.")
    ] = False,
) -> None:
    """Consume until SIGTERM; then drain, hand over and end."""
    from doublegate.contract.resource import load_consumer  # noqa: PLC0415
    from doublegate.demo.lifeline import end_with_stdin  # noqa: PLC0415
    from doublegate.runtime.service import run as run_consumer  # noqa: PLC0415
    from doublegate.telemetry import logs  # noqa: PLC0415

    resource = load_consumer(consumer)
    sys.path.insert(0, str(app_dir.resolve()))
    logs.configure(log_level.upper())
    if until_stdin_closes:
        end_with_stdin()
    raise typer.Exit(run_consumer(resource, host=http_host, port=http_port))
