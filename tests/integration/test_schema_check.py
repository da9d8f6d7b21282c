"""Our verdicts beside a real registry's, and the commands of `doublegate schema` that ask one."""

from __future__ import annotations

import json
import subprocess
import uuid
from base64 import b64encode
from typing import TYPE_CHECKING, Any

import pytest
from confluent_kafka.schema_registry import Schema
from typer.testing import CliRunner

from doublegate.cli import app
from doublegate.contract.kafka_spec import Compatibility
from doublegate.evolution import Format, read_schema
from doublegate.evolution.registered import Registered
from doublegate.local.model import Service
from doublegate.schemas import Registry
from tests.schema_cases import APICURIO, CASES, Case

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from doublegate.local.model import Endpoints
    from doublegate.local.stack import Stack

DIRECTIONS = ("BACKWARD", "FORWARD")
OLD = {"type": "record", "name": "Payment", "fields": [{"name": "id", "type": "string"}]}
NEW = {**OLD, "fields": [*OLD["fields"], {"name": "x", "type": "int", "default": 0}]}
WRONG = {**OLD, "fields": [*OLD["fields"], {"name": "y", "type": "int"}]}


@pytest.fixture
def url(endpoints: Endpoints) -> str:
    return str(endpoints.registry_url)


@pytest.fixture
def registry(url: str) -> Iterator[Registry]:
    registry = Registry(url, timeout=60)  # its first Protobuf schema is slow
    yield registry
    registry.close()


@pytest.fixture
def subject() -> str:
    return f"s-{uuid.uuid4().hex[:12]}-value"


def as_registered(text: str, kind: Format) -> Schema:
    if kind is Format.PROTOBUF:
        text = b64encode(read_schema(text, kind, "it").tree.SerializeToString()).decode()
    return Schema(text, kind)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_the_registry_judges_as_we_do_or_as_the_table_says(
    case: Case, registry: Registry, subject: str
) -> None:
    registry.client.register_schema(subject, as_registered(case.old, case.format))
    found = []
    for level in DIRECTIONS:
        registry.client.set_compatibility(subject, level)
        new = as_registered(case.new, case.format)
        found.append(registry.client.test_compatibility(subject, new, version="latest"))
    backward, forward, _ = APICURIO.get(case.name, (case.backward, case.forward, ""))
    assert found == [backward, forward]


def invoke(*arguments: Any) -> Any:
    return CliRunner().invoke(app, ["schema", *map(str, arguments)])


@pytest.fixture
def schemas(tmp_path: Path, subject: str) -> Path:
    folder = tmp_path / "schemas"
    folder.mkdir()
    (folder / f"{subject}.avsc").write_text(json.dumps(OLD))
    subprocess.run(["git", "init", "--quiet", str(tmp_path)], check=True)
    return folder


def test_register_list_diff_and_check(schemas: Path, subject: str, url: str, registry: Registry) -> None:
    first = invoke("register", schemas, "--registry", url)
    assert first.exit_code == 0, first.output
    assert f"{subject} FULL_TRANSITIVE: registered, schema id " in first.output
    assert registry.level(subject) == "FULL_TRANSITIVE"

    file = schemas / f"{subject}.avsc"
    file.write_text(json.dumps(NEW))
    assert "1 earlier version" in invoke("check", schemas, "--registry", url).output
    changed = invoke("diff", file, "--registry", url)
    assert changed.output.splitlines() == [f"registry version 1 -> {file}", "+ x: int, default 0"]
    assert invoke("register", file, "--registry", url).exit_code == 0
    assert invoke("diff", file, "v1", "v2", "--registry", url).output.splitlines()[0] == (
        "registry version 1 -> registry version 2"
    )

    listed = json.loads(invoke("list", "--registry", url, "--json").output)
    assert {"subject": subject, "versions": [1, 2], "compatibility": "FULL_TRANSITIVE"} in listed

    file.write_text(json.dumps(WRONG))
    wrong = invoke("check", schemas, "--registry", url)
    assert wrong.exit_code == 1
    assert "field-without-default: field y, against registry version 1" in wrong.output
    assert "against registry version 2" in wrong.output
    refused = invoke("register", schemas, "--registry", url)
    assert refused.exit_code == 1
    assert "nothing was registered" in refused.output
    assert registry.client.get_versions(subject) == [1, 2]


def test_a_refusal_of_the_registry_alone_ends_with_1(schemas: Path, subject: str, url: str) -> None:
    (schemas / f"{subject}.avsc").unlink()
    (schemas / "compatibility.yaml").write_text(f"{subject}: BACKWARD\n")
    case = next(case for case in CASES if case.name == "proto-rename")
    file = schemas / f"{subject}.proto"
    file.write_text(case.old)
    assert invoke("register", file, "--registry", url).exit_code == 0
    file.write_text(case.new)
    assert invoke("check", file, "--registry", url).exit_code == 0
    refused = invoke("register", file, "--registry", url)
    assert refused.exit_code == 1
    assert "the registry refuses the schema" in refused.output


def test_protobuf_comes_back_as_it_was_registered(url: str, subject: str) -> None:
    text = 'syntax = "proto3"; package shop; message M { string id = 1; }'
    schema = read_schema(text, Format.PROTOBUF, "it")
    registered = Registered(url)
    registered.register(subject, schema, Compatibility.FULL_TRANSITIVE)
    [version] = registered.versions(subject)
    assert version.schema.tree.message_type == schema.tree.message_type


def test_an_unknown_subject_has_no_versions(url: str, subject: str) -> None:
    assert Registered(url).versions(subject) == []


def test_a_registry_that_is_away_can_t_be_checked_against(
    stack: Stack, schemas: Path, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("doublegate.evolution.registered._SECONDS", 0.5)
    stack.pause(Service.REGISTRY)
    try:
        away = invoke("check", schemas, "--registry", url)
    finally:
        stack.resume(Service.REGISTRY)
    assert away.exit_code == 2
    assert "does not answer" in away.output
