"""A wrong or missing value is refused with its field and what is allowed."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import pytest

from infra.settings import InvalidSettings, read_settings
from tests.unit.infra.stacks import configuration, encoded, settings

MISSING = object()


def changed(stack: str, path: str, value: Any) -> dict[str, Any]:
    values = deepcopy(configuration(stack))
    *parents, last = path.split("/")
    node = values
    for name in parents:
        node = node[name]
    if value is MISSING:
        del node[last]
    else:
        node[last] = value
    return values


def refusal(values: dict[str, Any], *, secret: bool = True) -> str:
    with pytest.raises(InvalidSettings) as caught:
        read_settings(encoded(values), frozenset({"secrets"} if secret else ()))
    return str(caught.value)


@pytest.mark.parametrize("stack", ["dev", "prod"])
def test_the_stacks_own_files_are_valid(stack: str) -> None:
    assert settings(stack).production is (stack == "prod")


@pytest.mark.parametrize(
    ("stack", "path", "value", "field", "allowed"),
    [
        ("dev", "production", MISSING, "doublegate:production", "missing; allowed: true or false"),
        ("dev", "production", "yes", "doublegate:production", "true or false"),
        ("dev", "namespace", "Shop", "doublegate:namespace", "given 'Shop'"),
        ("dev", "kafka", {}, "doublegate:kafka", "exactly one of standalone, strimzi, external"),
        ("dev", "kafka/standalone/brokers", 2, "doublegate:kafka.standalone.brokers", "allowed: 1, 3"),
        ("dev", "kafka/standalone/broker", 1, "doublegate:kafka.standalone.broker", "did you mean brokers?"),
        ("dev", "kafka/external", {"bootstrapServers": "k:1"}, "doublegate:kafka", "standalone and external"),
        ("dev", "kafka/standalone/storage/size", "5GB", "doublegate:kafka.standalone.storage.size", "10Gi"),
        ("dev", "kafka/standalone/secure", True, "doublegate:registry.apicurio.storage", "PostgreSql"),
        ("dev", "images/valkey", MISSING, "doublegate:images.valkey", "missing"),
        ("dev", "images/valkey", "valkey", "doublegate:images.valkey", "given 'valkey'"),
        (
            "dev",
            "secrets/passwords/ledger",
            MISSING,
            "doublegate:secrets.passwords.ledger",
            "infra.credentials",
        ),
        ("dev", "operator/replicas", 0, "doublegate:operator.replicas", "from 1 to 5"),
        ("prod", "images/kafka", "apache/kafka:4.1.0", "doublegate:images.kafka", "name@sha256:..."),
        ("prod", "kafka/standalone/brokers", 1, "doublegate:kafka.standalone.brokers", "3"),
        ("prod", "kafka/standalone/secure", False, "doublegate:kafka.standalone.secure", "true"),
        ("prod", "kafka/standalone/storage", MISSING, "doublegate:kafka.standalone.storage", "a volume"),
        ("prod", "ledger/standalone/storage", MISSING, "doublegate:ledger.standalone.storage", "a volume"),
        ("prod", "postgres", MISSING, "doublegate:registry.apicurio.storage", "postgres"),
        ("prod", "secrets/certificates/kafka", MISSING, "doublegate:secrets.certificates.kafka", "missing"),
        ("prod", "secrets/authority", MISSING, "doublegate:secrets.authority", "missing"),
    ],
)
def test_what_is_wrong_is_named(stack: str, path: str, value: Any, field: str, allowed: str) -> None:
    said = refusal(changed(stack, path, value))
    assert any(f"{field}: " in line and allowed in line for line in said.splitlines()), said


def test_secrets_must_be_encrypted() -> None:
    assert "doublegate:secrets: is not encrypted" in refusal(configuration("dev"), secret=False)


def test_a_secret_in_the_wrong_shape_is_not_shown() -> None:
    values = changed("dev", "secrets/passwords/ledger", 20_041_889)
    assert "20041889" not in (said := refusal(values))
    assert "doublegate:secrets.passwords.ledger: given something else; allowed: a text" in said


def test_a_name_is_there_once() -> None:
    values = configuration("dev")
    values["consumers"] = [values["consumers"][0]] * 2
    assert "payments is there 2 times" in refusal(values)
