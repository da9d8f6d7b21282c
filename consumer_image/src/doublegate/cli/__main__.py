"""`python -m doublegate.cli`."""

from doublegate.cli.app import app

app()
