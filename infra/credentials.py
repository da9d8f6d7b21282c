"""Makes the passwords and certificates that a stack lacks, and keeps them encrypted in its configuration.

`.venv/bin/python -m infra.credentials [--stack dev]`, where `pulumi` is on the path. What is there stays.
To replace one, remove it first: `pulumi config rm --path doublegate:secrets.passwords.ledger`.
"""

from __future__ import annotations

import argparse
import json
import secrets
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from infra.certificates import Signed, new_authority, sign
from infra.components.kafka_settings import BROKERS, SUPER_USER
from infra.settings import NAMESPACE, InvalidSettings, wanted_secrets

__all__ = ["lacking", "main"]

_ROOT = Path(__file__).parents[1]
_BYTES = 24
_SERVICES = {
    "kafka": ("kafka", BROKERS, "kafka-kafka-bootstrap", "kafka-kafka-brokers"),
    "ledger": ("valkey", "valkey-replica"),
}
_COMMON_NAMES = {"kafka": SUPER_USER, "ledger": "doublegate-valkey"}


def lacking(values: Mapping[str, str]) -> dict[str, str]:
    """What is missing, by its path below `secrets`.

    Args:
        values: of the configuration, by name without the namespace.

    Raises:
        InvalidSettings: it is not valid for another reason.
    """
    present = json.loads(values.get("secrets", "{}"))
    wanted = wanted_secrets(values)
    made = {
        f"passwords.{name}": secrets.token_urlsafe(_BYTES)
        for name in wanted.passwords
        if name not in present.get("passwords", {})
    }
    servers = [name for name in wanted.certificates if name not in present.get("certificates", {})]
    if not servers:
        return made
    if "authority" in present and "authorityKey" in present:
        authority = Signed(present["authority"], present["authorityKey"])
    else:  # a new one: whatever another has signed is signed again
        authority, servers = new_authority("doublegate"), list(wanted.certificates)
        made |= {"authority": authority.certificate, "authorityKey": authority.key}
    for name in servers:
        signed = sign(authority, _COMMON_NAMES[name], hosts(name, wanted.namespace))
        made[f"certificates.{name}.certificate"] = signed.certificate
        made[f"certificates.{name}.key"] = signed.key
    return made


def hosts(server: str, namespace: str) -> list[str]:
    """Names under which a server is asked for, each pod's own among them; localhost is a forwarded port."""
    names = [name for service in _SERVICES[server] for name in (service, f"*.{service}")]
    ends = ("", f".{namespace}", f".{namespace}.svc", f".{namespace}.svc.cluster.local")
    return ["localhost", *(f"{name}{end}" for name in names for end in ends if end or "*" not in name)]


def main(arguments: list[str] | None = None) -> None:
    """Do it for one stack."""
    parser = argparse.ArgumentParser(description="Makes passwords and certificates that a stack lacks.")
    parser.add_argument("--stack", help="the stack; the chosen one when absent")
    stack = parser.parse_args(arguments).stack
    options = ["--stack", stack] if stack else []
    shown: dict[str, Any] = json.loads(_pulumi("config", "--json", "--show-secrets", *options))
    prefix = f"{NAMESPACE}:"
    values = {
        key.removeprefix(prefix): _text(entry) for key, entry in shown.items() if key.startswith(prefix)
    }
    try:
        made = lacking(values)
    except InvalidSettings as error:
        sys.exit(str(error))
    for path, value in made.items():
        _pulumi("config", "set", "--path", "--secret", f"{prefix}secrets.{path}", *options, given=value)
    sys.stdout.write(f"{len(made)} made: {', '.join(made) or 'nothing was missing'}\n")


def _text(entry: Mapping[str, Any]) -> str:
    return json.dumps(entry["objectValue"]) if "objectValue" in entry else str(entry["value"])


def _pulumi(*arguments: str, given: str | None = None) -> str:
    done = subprocess.run(
        ["pulumi", "--non-interactive", *arguments],
        cwd=_ROOT,
        input=given,  # not an argument, which everybody on the machine could see
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        sys.exit(f"pulumi {arguments[0]} failed: {done.stderr.strip()}")
    return done.stdout


if __name__ == "__main__":
    main()
