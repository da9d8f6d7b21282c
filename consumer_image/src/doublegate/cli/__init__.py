"""The command line. Each command imports what it needs when it runs, so that `--help` is quick."""

from doublegate.cli.app import app

__all__ = ["app"]
