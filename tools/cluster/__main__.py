"""The command line: `python -m tools.cluster up|down|status`."""

from __future__ import annotations

import logging
import sys
import time

import typer

from doublegate.local.cache import exclusive
from doublegate.local.errors import LocalStackError
from tools import builds
from tools.cluster import node_images
from tools.cluster.possible import require_possible
from tools.cluster.record import Record, current_layout
from tools.cluster.start import start
from tools.cluster.stop import stop
from tools.images.provide import provide_all

app = typer.Typer(
    help="A real Kubernetes cluster of one node on this machine.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


@app.command()
def possible() -> None:
    """Say whether this machine can carry the cluster; exits with an error and the reason when not."""
    require_possible(current_layout())
    _say("this machine can carry the cluster")


@app.command()
def up() -> None:
    """Build what is missing, start the cluster, wait until it answers."""
    where, began = current_layout(), time.monotonic()
    start(where, _say)
    _say(f"the cluster is up after {time.monotonic() - began:.0f} s; to use it:")
    _say(f"export KUBECONFIG={where.kubeconfig} PATH={builds.KUBERNETES.directory}:$PATH")


@app.command()
def down() -> None:
    """Stop the cluster and remove all of it but its logs."""
    where = current_layout()
    with exclusive(where.lock):
        stop(where)
    _say("the cluster is down")


@app.command()
def status() -> None:
    """Say how each part is; exits with 1 when one does not run, or none was started."""
    where = current_layout()
    record = Record.load(where.run)
    for name, handle in record.parts.items():
        _say(f"{name:24} {handle.health():8} pid {handle.pid:<8} {where.log(name)}")
    if not record.well:
        _say("the cluster is not whole: `make cluster`" if record.parts else "no cluster was started")
        raise typer.Exit(1)
    _say(f"export KUBECONFIG={where.kubeconfig} PATH={builds.KUBERNETES.directory}:$PATH")


@app.command()
def images() -> None:
    """Build the images that are missing, and load them into the node if the cluster runs."""
    where = current_layout()
    built = provide_all(_say)
    if Record.load(where.run).well:
        loaded = node_images.load(where, built)
        _say(f"{len(loaded)} of {len(built)} images were loaded into the node, the others were there")
    for image in built:
        _say(f"{image.name:10} {image.reference:42} {image.archive.stat().st_size >> 20:4} MiB")
    _say(f"archives, for `docker load` and `kind load image-archive`: {built[0].archive.parent}")


def _say(line: str) -> None:
    typer.echo(line)


def main() -> None:
    """Run a command; what a person can act on is one message."""
    logging.basicConfig(level=logging.WARNING)
    try:
        app()
    except LocalStackError as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main()
