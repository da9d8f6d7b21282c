"""`doublegate demo`: the whole way of an event on real servers, and its proof."""

from pathlib import Path
from typing import Annotated

import typer

__all__ = ["demo"]


def demo(
    *,
    events: Annotated[
        int | None, typer.Option(help="Events to send, copies included; as many as fit a minute.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Of the plan; the same seed sends the same events.")] = 2013,
    traces: Annotated[bool, typer.Option(help="Jaeger too, whose first build takes minutes.")] = True,
    as_json: Annotated[
        bool, typer.Option("--json", help="End with one JSON object; the story goes to stderr.")
    ] = False,
    home: Annotated[Path | None, typer.Option(help="Where the run's directory is made.")] = None,
    keep: Annotated[
        bool, typer.Option("--keep", help="Keep the run's directory; a failed run's is kept anyway.")
    ] = False,
) -> None:
    """Send real flights with duplicates, poison and a crash; prove that every effect happened once.

    The exit code is 1 when an invariant does not hold.
    """
    from doublegate.demo.command import run_demo  # noqa: PLC0415

    raise typer.Exit(run_demo(events=events, seed=seed, traces=traces, as_json=as_json, home=home, keep=keep))
