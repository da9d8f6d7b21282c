"""A registry client that is a dictionary, with a switch for being away."""

from typing import Any

import pytest
from confluent_kafka.schema_registry import Schema, SchemaRegistryError

from doublegate.schemas import Registry


class Client:
    """Stands in for confluent-kafka's `SchemaRegistryClient`; counts what it is asked."""

    def __init__(self) -> None:
        self.schemas: dict[int, Schema] = {}
        self.error: Exception | None = None
        self.asked = 0

    def get_schema(self, schema_id: int) -> Schema:
        self.asked += 1
        if self.error is not None:
            raise self.error
        if schema_id not in self.schemas:
            raise SchemaRegistryError(404, 40403, f"Schema {schema_id} not found")
        return self.schemas[schema_id]

    def get_version(self, subject: str, *_: Any, **__: Any) -> Any:
        raise SchemaRegistryError(404, 40401, f"Subject {subject} not found")

    def get_compatibility(self, subject: str | None = None) -> str:
        if self.error is not None:
            raise self.error
        return "BACKWARD" if subject is None else "FULL"

    def set_compatibility(self, *_: str) -> None:
        if self.error is not None:
            raise self.error

    def register_schema(self, _: str, schema: Schema) -> int:
        if self.error is not None:
            raise self.error
        self.schemas[len(self.schemas) + 1] = schema
        return len(self.schemas)


class Clock:
    now = 50.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def client() -> Client:
    return Client()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def registry(client: Client, clock: Clock) -> Registry:
    registry = Registry("http://user:secret@registry.example/ccompat", negative_ttl=1.0, clock=clock)
    registry.client = client  # type: ignore[assignment]
    return registry
