"""Ends a process when whoever started it is gone: its standard input is a pipe that closes then."""

from __future__ import annotations

import os
import signal
import threading

__all__ = ["end_with_stdin"]


def end_with_stdin() -> None:
    """Send SIGTERM to this process once standard input closes."""

    def wait() -> None:
        while os.read(0, 1024):  # not sys.stdin, whose lock would be missing at the interpreter's end
            pass
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=wait, name="lifeline", daemon=True).start()
