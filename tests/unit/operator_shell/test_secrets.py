"""Secrets as files: private, complete, and gone afterwards."""

from __future__ import annotations

import asyncio
import base64
import stat
from typing import TYPE_CHECKING, Any

import pytest

from doublegate.contract.connections import KafkaConnection, PostgresConnection
from doublegate.contract.errors import SecretUnavailable
from doublegate.contract.resource import parse_consumer
from doublegate_operator.core.reasons import Reason
from doublegate_operator.shell.secrets import SecretFolder, secret_failure

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

CONSUMER = parse_consumer(
    {
        "apiVersion": "doublegate.dev/v1alpha1",
        "kind": "IdempotentConsumer",
        "metadata": {"name": "payments", "namespace": "shop"},
        "spec": {
            "kafka": {
                "bootstrapServers": "kafka:9092",
                "topic": "payments",
                "group": "payments",
                "securityRef": "kafka-user",
            },
            "handler": {"python": "shop:handle"},
            "ledger": {"secretRef": "ledger-user"},
            "schema": {"registryUrl": "http://registry", "secretRef": "ledger-user"},
            "inbox": {"secretRef": "db"},
        },
    }
)


class Reader:
    """The API server's Secrets, and which were asked for."""

    def __init__(self) -> None:
        self.data: dict[str, dict[str, str]] = {
            "kafka-user": {"username": "u", "password": "pässword\n", "ca.crt": "PEM"},
            "ledger-user": {"password": "x"},
            "db": {"dsn": "postgresql://db"},
        }
        self.asked: list[tuple[str, str]] = []

    async def get_secret(self, namespace: str, name: str) -> Mapping[str, Any] | None:
        self.asked.append((namespace, name))
        if name not in self.data:
            return None
        data = {key: base64.b64encode(value.encode()).decode() for key, value in self.data[name].items()}
        return {"metadata": {"uid": f"uid-of-{name}", "resourceVersion": "7"}, "data": data}


def fingerprints(reader: Reader) -> Mapping[str, str | None]:
    async def run() -> Mapping[str, str | None]:
        async with SecretFolder(reader, CONSUMER) as (_, found):
            return found

    return asyncio.run(run())


def test_connections_read_them_and_they_are_gone_afterwards() -> None:
    reader = Reader()

    async def run() -> Path:
        async with SecretFolder(reader, CONSUMER) as (root, _):
            kafka = KafkaConnection.from_spec(CONSUMER.spec.kafka, root)
            assert kafka.client_config()["sasl.password"] == "pässword"
            assert CONSUMER.spec.inbox is not None
            assert PostgresConnection.from_spec(CONSUMER.spec.inbox, root).conninfo == "postgresql://db"
            for path in (root, *root.rglob("*")):
                assert stat.S_IMODE(path.stat().st_mode) == (0o700 if path.is_dir() else 0o600)
            return root

    root = asyncio.run(run())
    assert not root.exists()
    assert sorted(reader.asked) == [("shop", "db"), ("shop", "kafka-user"), ("shop", "ledger-user")]


def test_they_are_gone_after_an_error() -> None:
    async def run(seen: list[Path]) -> None:
        async with SecretFolder(Reader(), CONSUMER) as (root, _):
            seen.append(root)
            raise RuntimeError

    seen: list[Path] = []
    with pytest.raises(RuntimeError):
        asyncio.run(run(seen))
    assert not seen[0].exists()


def test_fingerprints_follow_the_content_and_tell_nothing() -> None:
    reader = Reader()
    before = fingerprints(reader)
    assert before == fingerprints(reader)
    reader.data["kafka-user"]["password"] = "other"
    after = fingerprints(reader)
    assert after["kafka-user"] != before["kafka-user"]
    assert after["db"] == before["db"]
    reader.data["same"] = reader.data["db"]
    assert len(set(before.values())) == 3
    del reader.data["db"]
    assert fingerprints(reader)["db"] is None


def test_the_same_password_elsewhere_has_another_fingerprint() -> None:
    """Nobody who may not read the Secret can try passwords on the hash that its pods carry."""
    reader = Reader()
    reader.data["kafka-user"] = reader.data["ledger-user"]
    found = fingerprints(reader)
    assert found["kafka-user"] != found["ledger-user"]


def test_what_is_wrong_is_said_in_the_clusters_words() -> None:
    reader = Reader()
    del reader.data["kafka-user"]["password"]

    async def run() -> tuple[Any, Any]:
        async with SecretFolder(reader, CONSUMER) as (root, _):
            with pytest.raises(SecretUnavailable) as caught:
                KafkaConnection.from_spec(CONSUMER.spec.kafka, root)
            wrong = secret_failure(caught.value, root, "kafka-user")
            return wrong, secret_failure(SecretUnavailable("spec.ledger.secretRef: x"), root, "none")

    wrong, missing = asyncio.run(run())
    assert wrong.reason is Reason.SECRET_INVALID
    assert wrong.message == (
        "spec.kafka.securityRef: Secret kafka-user, key password is missing; username is there and needs it."
    )
    assert missing.reason is Reason.SECRET_MISSING
    assert missing.message.startswith("spec.ledger.secretRef: Secret none is missing")
