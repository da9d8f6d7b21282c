"""The registry away, unknown ids, refused schemas: bounded, typed, without credentials in the text."""

import json
import socket
import threading
import time

import pytest
from confluent_kafka.schema_registry import Schema, SchemaRegistryError

from doublegate.schemas import Incompatible, Registry, SchemaUnavailable
from tests.unit.schemas.conftest import Client, Clock

TEXT = Schema(json.dumps("string"), "AVRO")


def test_an_outage_is_asked_about_once_per_interval(registry: Registry, client: Client, clock: Clock) -> None:
    client.error = ConnectionError("refused")
    for schema_id in (1, 1, 2, 3):
        with pytest.raises(SchemaUnavailable, match=r"registry\.example/ccompat does not answer: refused"):
            registry.reader(schema_id)
    assert client.asked == 1
    clock.now += 1.1
    client.error = None
    client.schemas[1] = TEXT
    assert registry.reader(1) is registry.reader(1)
    assert client.asked == 2


def test_an_unknown_id_waits_and_hides_no_other(registry: Registry, client: Client, clock: Clock) -> None:
    client.schemas[2] = TEXT
    for _ in range(5):
        with pytest.raises(SchemaUnavailable, match=r"schema id 1 .* unknown"):
            registry.reader(1)
    registry.reader(2)
    assert client.asked == 2
    client.schemas[1] = TEXT
    clock.now += 1.1
    registry.reader(1)


def test_ids_made_up_by_broken_payloads_do_not_pile_up(registry: Registry) -> None:
    for schema_id in range(3000):
        with pytest.raises(SchemaUnavailable):
            registry.reader(schema_id)
    assert len(registry._unusable) <= 1000


def test_a_known_schema_outlives_the_registry(registry: Registry, client: Client) -> None:
    client.schemas[1] = TEXT
    registry.reader(1)
    client.error = ConnectionError("refused")
    with pytest.raises(SchemaUnavailable):
        registry.reader(2)
    assert registry.reader(1)(b"\0\0\0\0\1\x04ab") == "ab"


def test_threads_do_not_stampede(registry: Registry, client: Client) -> None:
    client.error = ConnectionError("refused")
    failures: list[Exception] = []

    def ask() -> None:
        try:
            registry.reader(1)
        except SchemaUnavailable as error:
            failures.append(error)

    threads = [threading.Thread(target=ask) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert len(failures) == 16
    assert client.asked == 1


def test_credentials_are_never_said(registry: Registry, client: Client) -> None:
    client.error = ConnectionError("refused")
    problem = registry.check()
    assert problem is not None
    assert "secret" not in problem
    client.error = None
    assert registry.check() is None


def test_a_refused_schema_names_subject_level_and_reason(registry: Registry, client: Client) -> None:
    client.register_schema = _refuse  # type: ignore[method-assign]
    with pytest.raises(Incompatible, match=r"flights-value.*FULL.*extra at /fields/10") as caught:
        registry.register("flights-value", "{}")
    assert (caught.value.subject, caught.value.level) == ("flights-value", "FULL")


def _refuse(subject: str, schema: Schema) -> int:
    raise SchemaRegistryError(409, 409, f"{subject}: extra at /fields/10")


def test_a_registry_that_never_answers_is_given_up() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        registry = Registry(f"http://127.0.0.1:{silent.getsockname()[1]}", timeout=0.2)
        began = time.monotonic()
        with pytest.raises(SchemaUnavailable, match="does not answer"):
            registry.reader(1)
        assert time.monotonic() - began < 10  # without our timeout it would wait for ever
        registry.close()
