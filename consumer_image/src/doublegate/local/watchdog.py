"""Stops a stack's servers when the process that owns them dies without doing so, be it by SIGKILL.

It holds the read end of a pipe. The owner writes a word when it has stopped the servers itself; the end of
the pipe without that word is its death. Parent-death signals would not do: they follow the thread that
started a server, and a server survives them by changing its user, as PostgreSQL does under root.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from doublegate.local.state import stop_all

RELEASED = b"released"
EXIT_SECONDS = 30.0


class Watchdog:
    """The owner's side."""

    def __init__(self, home: Path) -> None:
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
        with (home / "watchdog.log").open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", __name__, str(home)],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                start_new_session=True,  # a Ctrl-C in our terminal is ours to handle
            )

    def release(self) -> None:
        """Say that there is nothing left to guard."""
        self._process.communicate(RELEASED, timeout=EXIT_SECONDS)


def main() -> None:
    """Wait for the owner's word or end."""
    if sys.stdin.buffer.read() != RELEASED:
        stop_all(Path(sys.argv[1]))


if __name__ == "__main__":
    main()
