"""`doublegate schema` in a real Git repository."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from typer.testing import CliRunner

from doublegate.cli import app
from tests.schema_cases import ID, field, record

AMOUNT = field("amount", "long", default=0)
MODEL = """
from pydantic import BaseModel
from doublegate import Event

class Payment(BaseModel):
    id: str
    amount: int

def charge(event: Event[Payment]) -> None: ...
def raw(event: Event[bytes]) -> None: ...
"""


class Repository:
    """A folder `schemas` in a Git repository."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.schemas = root / "schemas"
        self.file = self.schemas / "payments-value.avsc"
        self.schemas.mkdir()
        self.git("init", "--quiet", "--initial-branch=main")

    def git(self, *arguments: str) -> str:
        identity = ("-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "commit.gpgsign=false")
        return subprocess.run(
            ["git", "-C", str(self.root), *identity, *arguments], check=True, capture_output=True, text=True
        ).stdout.strip()

    def write(self, *fields: Any, commit: bool = True) -> str:
        self.file.write_text(json.dumps(record(*fields), indent=1))
        return self.commit() if commit else ""

    def commit(self) -> str:
        """Commit what is there; gives its short hash."""
        self.git("add", "--all")
        self.git("commit", "--quiet", "--message=x")
        return self.git("rev-parse", "HEAD")[:7]


def schema(*arguments: Any) -> Result:
    return CliRunner().invoke(app, ["schema", *map(str, arguments)])


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Repository:
    for name in ("GITHUB_ACTIONS", "GIT_DIR", "DOUBLEGATE_REGISTRY"):
        monkeypatch.delenv(name, raising=False)
    return Repository(tmp_path)


def test_before_the_first_commit_there_is_nothing_to_break(repository: Repository) -> None:
    repository.write(ID, commit=False)
    found = schema("check", repository.schemas)
    assert found.exit_code == 0
    assert found.output == "payments-value FULL_TRANSITIVE: compatible (0 earlier versions, 0 consumers)\n"


def test_every_earlier_version_is_looked_at_and_named(repository: Repository) -> None:
    first = repository.write(ID)
    repository.write(ID, field("x", "int", default=0))
    repository.write(field("x", "int", default=0), field("id", "string", default=""))
    repository.write(field("x", "int", default=0), commit=False)
    found = schema("check", repository.schemas)
    assert found.exit_code == 1
    assert "2 problems" in found.output
    assert f"field-without-default: field id, against commit {first}\n" in found.output
    assert "keep the field" in found.output


def test_the_level_is_in_a_file_beside_the_schemas(repository: Repository) -> None:
    repository.write(ID)
    repository.write(ID, field("x", "int", default=0))
    repository.write(field("x", "int", default=0), commit=False)
    assert schema("check", repository.file).exit_code == 1
    levels = repository.schemas / "compatibility.yaml"
    levels.write_text("payments-value: BACKWARD\n")
    assert schema("check", repository.file).exit_code == 0
    levels.write_text("payments-value: SIDEWARD\n")
    assert "does not map subjects to levels" in schema("check", repository.file).output
    levels.write_text("payment-value: BACKWARD\n")
    assert "correct the name" in schema("check", repository.file).output


def test_a_file_is_followed_through_folders_and_not_to_another_subject(repository: Repository) -> None:
    repository.write(ID, *(field(f"f{number}", "int", default=0) for number in range(9)))
    folder = repository.root / "contracts and more"
    repository.git("mv", "schemas", folder.name)
    repository.commit()
    moved = folder / repository.file.name
    tree = json.loads(moved.read_text())
    tree["fields"][0]["type"] = "int"
    moved.write_text(json.dumps(tree, indent=1))
    assert schema("check", moved).exit_code == 1
    other = moved.with_name("orders-value.avsc")
    moved.rename(other)
    repository.commit()
    assert "0 earlier versions" in schema("check", other).output


def test_what_a_merge_made_is_a_version_too(repository: Repository) -> None:
    repository.write(ID)
    repository.git("checkout", "--quiet", "-b", "side")
    repository.write(ID, field("x", "int", default=0))
    repository.git("checkout", "--quiet", "main")
    repository.write(ID, field("y", "int", default=0))
    repository.git("merge", "--quiet", "--no-commit", "--strategy=ours", "side")
    merged = repository.write(ID, field("z", "int"))
    repository.write(ID, commit=False)
    found = schema("check", repository.file)
    assert f"field z, against commit {merged}" in found.output


def test_a_version_that_was_no_schema_is_skipped_aloud(repository: Repository) -> None:
    repository.file.write_text("{")
    broken = repository.commit()
    repository.write(ID)
    found = schema("check", repository.schemas)
    assert found.exit_code == 0
    assert f"skipped: commit {broken}: it is not JSON" in found.output


def test_annotations_name_file_and_line(repository: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
    repository.write(ID)
    repository.write(ID, field("amount", "int"), commit=False)
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    monkeypatch.chdir(repository.root)
    [line] = [one for one in schema("check", "schemas").output.splitlines() if one.startswith("::")]
    number = repository.file.read_text().splitlines().index('   "name": "amount",') + 1
    start = (
        f"::error file=schemas/payments-value.avsc,line={number},title=field-without-default::field amount, "
    )
    assert line.startswith(start)


def shallow(repository: Repository) -> Path:
    repository.write(ID)
    repository.write(ID, AMOUNT)
    clone = repository.root / "clone"
    repository.git("clone", "--quiet", "--depth=1", f"file://{repository.root}", str(clone))
    return clone / "schemas"


def outside(repository: Repository) -> Path:
    repository.write(ID, commit=False)
    repository.git("update-ref", "-d", "HEAD")
    (repository.root / ".git" / "HEAD").unlink()
    return repository.schemas


def broken(repository: Repository) -> Path:
    repository.file.write_text("{")
    return repository.schemas


def twice(repository: Repository) -> Path:
    repository.write(ID)
    repository.file.with_suffix(".json").write_text("{}")
    return repository.schemas


@pytest.mark.parametrize(
    ("prepare", "message"),
    [
        (shallow, "git fetch --unshallow"),
        (outside, "inside of the schemas' repository"),
        (broken, "it is not JSON"),
        (twice, "a subject has one schema"),
        (lambda repository: repository.schemas, "no schema is there"),
        (lambda repository: repository.schemas / "x.avsc", "cannot be read"),
        (lambda repository: repository.schemas / "x.txt", "a schema is a file named"),
    ],
)
def test_what_cant_be_checked_ends_with_2(
    repository: Repository, prepare: Callable[[Repository], Path], message: str
) -> None:
    found = schema("check", prepare(repository))
    assert found.exit_code == 2
    assert message in found.output
    assert found.output.startswith("error: ")


def test_without_git_it_says_so(repository: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
    repository.write(ID)
    monkeypatch.setenv("PATH", "/nowhere")
    found = schema("check", repository.schemas)
    assert found.exit_code == 2
    assert "git is not installed" in found.output


def test_a_consumer_that_declared_its_fields_is_found_before_the_merge(repository: Repository) -> None:
    (repository.root / "billing_model.py").write_text(MODEL)
    options = ("--subject", "payments-value", "--consumer", "billing", "--app-dir", repository.root)
    told = [schema("fields", f"billing_model:{name}", *options) for name in ("Payment", "charge")]
    assert [one.exit_code for one in told] == [0, 0]
    assert told[0].output == told[1].output.replace(":charge", ":Payment")
    folder = repository.schemas / "consumers"
    folder.mkdir()
    (folder / "billing.fields.json").write_text(told[0].output)

    repository.write(ID, AMOUNT)
    assert "compatible (0 earlier versions, 1 consumer)" in schema("check", repository.schemas).output
    repository.write(ID, commit=False)
    for command in ("check", "impact"):
        found = schema(command, repository.schemas)
        assert found.exit_code == 1
        assert "consumer-broken: field amount, against consumer billing (model billing_model:" in found.output

    (folder / "billing.fields.json").write_text(told[0].output.replace("payments-value", "payment-value"))
    assert "correct the name" in schema("impact", repository.schemas).output
    for name, message in (("raw", "takes no pydantic model"), ("absent", "cannot be imported")):
        refused = schema("fields", f"billing_model:{name}", *options)
        assert refused.exit_code == 2
        assert message in refused.output


def test_an_address_that_is_none_is_told_without_it(repository: Repository) -> None:
    repository.write(ID)
    found = schema("check", repository.schemas, "--registry", "user:secret@registry")
    assert found.exit_code == 2
    assert "is no http:// or https:// URL" in found.output
    assert "secret" not in found.output


def test_diff_by_commit(repository: Repository) -> None:
    first = repository.write(ID)
    second = repository.write(ID, AMOUNT)
    repository.write(ID, field("amount", "double", default=0), commit=False)
    file = repository.file
    assert schema("diff", file).output == (
        f"commit {second} -> {file}\n~ amount: long, default 0 -> double, default 0\n"
    )
    assert schema("diff", file, first, second).output == (
        f"commit {first} -> commit {second}\n+ amount: long, default 0\n"
    )
    unknown = schema("diff", file, "v7")
    assert unknown.exit_code == 2
    assert f"there are: commit {second}, commit {first}" in unknown.output
