"""`doublegate stack`: the real servers on this machine."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from doublegate.cli.options import AsJson

__all__ = ["app"]

app = typer.Typer(
    help="Kafka, Valkey, registry, PostgreSQL and Jaeger on this machine.", no_args_is_help=True
)

Home = Annotated[
    Path | None,
    typer.Option(
        "--home",
        envvar="DOUBLEGATE_STACK",
        help="Directory of data and logs; in the user's cache by default.",
    ),
]


@app.command()
def up(
    home: Home = None,
    traces: Annotated[bool, typer.Option(help="Jaeger too, whose first build takes minutes.")] = True,
    as_json: AsJson = False,
) -> None:
    """Start the servers and leave them running; prints where they answer."""
    from doublegate.local.model import Service  # noqa: PLC0415
    from doublegate.local.stack import Stack  # noqa: PLC0415

    services = [service for service in Service if traces or service is not Service.JAEGER]
    endpoints = asdict(Stack(_home(home), services, lambda line: typer.echo(line, err=True)).up())
    _print({name: value for name, value in endpoints.items() if value}, as_json=as_json)


@app.command()
def down(home: Home = None) -> None:
    """Stop the servers; their data and logs stay."""
    from doublegate.local.stack import Stack  # noqa: PLC0415

    stack = Stack(_home(home))
    running = len(stack.status())
    stack.down()
    typer.echo(f"stopped {running} servers of {stack.home}" if running else f"nothing runs in {stack.home}")


@app.command()
def status(home: Home = None, as_json: AsJson = False) -> None:
    """How each server is; the exit code is 1 unless all of them run."""
    from doublegate.local.model import Health  # noqa: PLC0415
    from doublegate.local.stack import Stack  # noqa: PLC0415

    stack = Stack(_home(home))
    servers = stack.status()
    if as_json:
        _print({"home": str(stack.home), "servers": [asdict(server) for server in servers]}, as_json=True)
    else:
        for server in servers:
            typer.echo(
                f"{server.service:10} {server.health:8} pid {server.pid or '-':<8} "
                f"port {server.port}  {server.log}"
            )
        if not servers:
            typer.echo(f"nothing runs in {stack.home}: start it with `doublegate stack up`")
    if not servers or any(server.health is not Health.RUNNING for server in servers):
        raise typer.Exit(1)


def _home(chosen: Path | None) -> Path:
    from doublegate.local.cache import cache_dir  # noqa: PLC0415

    return chosen or cache_dir() / "stack"


def _print(what: dict[str, object], *, as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps(what, indent=2))
    else:
        for name, value in what.items():
            typer.echo(f"{name:18} {value}")
