#!/usr/bin/env python3
"""Starts PostgreSQL as the image postgres does: a database cluster made once from the environment."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

SECONDS = 120
# Not in /var/run, which may be read-only.
SOCKETS = "/tmp"  # noqa: S108 - the container's own


def initialise(data: Path) -> None:
    """Make the cluster aside and move it to its place, so that what is there is complete."""
    password = os.environ.get("POSTGRES_PASSWORD")
    user = os.environ.get("POSTGRES_USER", "postgres")
    database = os.environ.get("POSTGRES_DB", user)
    if not password:
        sys.exit("POSTGRES_PASSWORD is not set: the superuser needs a password")
    data.parent.mkdir(parents=True, exist_ok=True)
    aside = Path(tempfile.mkdtemp(prefix="initialising-", dir=data.parent))
    with tempfile.NamedTemporaryFile("w") as file:
        file.write(password)
        file.flush()
        _run(
            "initdb",
            "--auth-local=trust",
            "--auth-host=scram-sha-256",
            f"--username={user}",
            f"--pwfile={file.name}",
            "--encoding=UTF8",
            "--no-locale",
            f"--pgdata={aside}",
        )
    if database != "postgres":
        statement = 'CREATE DATABASE "{}";\n'.format(database.replace('"', '""'))
        _run("postgres", "--single", "-D", str(aside), "postgres", stdin=statement)
    with (aside / "pg_hba.conf").open("a") as rules:
        rules.write("host all all all scram-sha-256\n")
    if data.exists():
        data.rmdir()  # refuses what is not empty
    aside.rename(data)


def _run(*command: str, stdin: str = "") -> None:
    done = subprocess.run(command, input=stdin, text=True, timeout=SECONDS, check=False)
    if done.returncode != 0:
        sys.exit(f"{command[0]} failed")


def main() -> None:
    """Become what the command names, with a database cluster to serve."""
    command = sys.argv[1:]
    if command[:1] == ["postgres"]:
        data = Path(os.environ["PGDATA"])
        if not (data / "PG_VERSION").exists():
            initialise(data)
        command = [*command, "-c", "listen_addresses=*", "-c", f"unix_socket_directories={SOCKETS}"]
    os.execvp(command[0], command)  # noqa: S606 - this becomes the container's process


if __name__ == "__main__":
    main()
