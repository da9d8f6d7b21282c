"""The stacks' own configuration files, as the engine hands them to the program, with made-up secrets."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import yaml

from infra.settings import NAMESPACE, Settings, read_settings

ROOT = Path(__file__).parents[3]
PEM = "-----BEGIN TEST-----\n{}\n-----END TEST-----\n"
DIGEST = "sha256:" + "0" * 64
IMAGES = ("kafka", "valkey", "registry", "jaeger", "postgres", "operator", "consumer")
CONSUMERS = [
    {
        "name": name,
        "spec": {
            "image": f"example.org/{name}@{DIGEST}",
            "handler": {"python": f"shop.{name}:act"},
            "kafka": {"topic": name, "group": name, "partitions": 6},
            "schema": {},
            "inbox": {},
        },
    }
    for name in ("payments", "mails")
]


def configuration(stack: str) -> dict[str, Any]:
    """By name, without the namespace; complete."""
    kept = yaml.safe_load((ROOT / f"Pulumi.{stack}.yaml").read_text())["config"]
    values = {name.removeprefix(f"{NAMESPACE}:"): value for name, value in kept.items()}
    if stack == "prod":
        values["images"] = {name: f"example.org/{name}@{DIGEST}" for name in IMAGES}
    values["consumers"] = CONSUMERS
    names = [consumer["name"] for consumer in CONSUMERS]
    passwords = [
        "ledger",
        "postgres",
        *(f"{server}-{name}" for server in ("kafka", "ledger") for name in names),
    ]
    values["secrets"] = {
        "passwords": {name: f"password-of-{name}" for name in passwords},
        "certificates": {
            name: {"certificate": PEM.format(f"certificate of {name}"), "key": PEM.format(f"key of {name}")}
            for name in ("kafka", "ledger")
        },
        "authority": PEM.format("authority"),
    }
    return values


def encoded(values: dict[str, Any]) -> dict[str, str]:
    """As the engine hands them over."""
    return {name: value if isinstance(value, str) else json.dumps(value) for name, value in values.items()}


def settings(stack: str, **changed: Any) -> Settings:
    """Checked."""
    return read_settings(encoded(configuration(stack) | changed), frozenset({"secrets"}))
