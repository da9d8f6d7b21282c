"""What ends a demo early; every message says what to look at."""

from __future__ import annotations

from doublegate.contract.errors import DoublegateError

__all__ = ["DeadlineExceeded", "DemoError", "ProcessDied"]


class DemoError(DoublegateError):
    """The demo could not go on."""


class ProcessDied(DemoError):
    """A process or server of the demo ended by itself."""


class DeadlineExceeded(DemoError):
    """A step took longer than it may."""
