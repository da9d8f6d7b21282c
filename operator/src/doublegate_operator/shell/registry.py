"""The subject in the schema registry: observes its level and its latest schema, and sets the level."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from http import HTTPStatus
from pathlib import Path
from typing import TypeVar

from confluent_kafka.schema_registry import SchemaRegistryClient, SchemaRegistryError

from doublegate.contract.connections import RegistryConnection
from doublegate.contract.errors import SecretUnavailable
from doublegate.contract.kafka_spec import SchemaSpec
from doublegate.contract.resource import IdempotentConsumer
from doublegate_operator.core.facts import Failure, RegistryFacts
from doublegate_operator.core.reasons import Reason
from doublegate_operator.core.wanted import SetCompatibility
from doublegate_operator.shell.secrets import secret_failure
from doublegate_operator.shell.subject_schema import latest_schema

__all__ = ["observe_registry", "set_compatibility"]

T = TypeVar("T")

_SECONDS = 5.0
"""For one request; at most three are made."""
_DEFAULTS = {"max.retries": 0, "timeout": _SECONDS}  # the client has no timeout of its own, and sleeps


async def observe_registry(consumer: IdempotentConsumer, root: Path) -> RegistryFacts | Failure | None:
    """The subject's level, or else the registry's, and what its latest schema describes where that matters.

    None when the resource names no registry.
    """
    spec, subject = consumer.spec.schema_, consumer.spec.schema_subject
    if spec is None or subject is None:
        return None
    reads = spec.reads is not None

    def observe(client: SchemaRegistryClient) -> RegistryFacts:
        return RegistryFacts(_level(client, subject), latest_schema(client, subject) if reads else None)

    return await asyncio.to_thread(_with_client, spec, root, observe)


async def set_compatibility(
    consumer: IdempotentConsumer, root: Path, change: SetCompatibility
) -> Failure | None:
    """Set the subject's level."""
    spec = consumer.spec.schema_
    if spec is None:
        return None
    return await asyncio.to_thread(_with_client, spec, root, lambda client: _set(client, change))


def _with_client(spec: SchemaSpec, root: Path, do: Callable[[SchemaRegistryClient], T]) -> T | Failure:
    try:
        connection = RegistryConnection.from_spec(spec, root)
    except SecretUnavailable as error:
        return secret_failure(error, root, spec.secret_ref)
    try:
        with SchemaRegistryClient({**_DEFAULTS, **connection.client_config()}) as client:
            return do(client)
    except SchemaRegistryError as error:
        return _refused(error, spec)
    except Exception as error:  # noqa: BLE001 - the client passes its transport's errors on
        return Failure(
            Reason.REGISTRY_UNAVAILABLE,
            f"The registry {spec.registry_url} does not answer ({type(error).__name__}). Is it up, and may "
            "the operator reach it?",
        )


def _level(client: SchemaRegistryClient, subject: str) -> str | None:
    for name in (subject, None):
        try:
            return str(client.get_compatibility(name))
        except SchemaRegistryError as error:
            if error.http_status_code != HTTPStatus.NOT_FOUND:
                raise
    return None


def _set(client: SchemaRegistryClient, change: SetCompatibility) -> Failure | None:
    try:
        client.set_compatibility(change.subject, change.level)
    except SchemaRegistryError as error:
        if error.http_status_code != HTTPStatus.NOT_FOUND:
            raise
        return Failure(
            Reason.REGISTRY_REFUSED,
            f"The registry knows no subject {change.subject} yet, and sets a level only for one that it "
            "knows: register the first schema. The level follows by itself.",
        )
    return None


def _refused(error: SchemaRegistryError, spec: SchemaSpec) -> Failure:
    code = error.http_status_code
    if code in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
        secret = f"Secret {spec.secret_ref}" if spec.secret_ref else "spec.schema.secretRef, which is not set"
        text = f"The registry {spec.registry_url} does not let us in (HTTP {code}). Correct {secret}."
        return Failure(Reason.REGISTRY_REFUSED, text)
    if code >= HTTPStatus.INTERNAL_SERVER_ERROR or code == HTTPStatus.TOO_MANY_REQUESTS or code <= 0:
        text = f"The registry {spec.registry_url} can't answer now (HTTP {code})."
        return Failure(Reason.REGISTRY_UNAVAILABLE, text)
    text = (
        f"The registry {spec.registry_url} refuses: HTTP {code}: {error.error_message}. Is spec.schema."
        "registryUrl the base of its Confluent API?"
    )
    return Failure(Reason.REGISTRY_REFUSED, text)
