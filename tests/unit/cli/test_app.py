import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from doublegate.cli import app

ROOT = Path(__file__).parents[3]
CONSUMER = ROOT / "examples" / "first_consumer.yaml"
HEAVY = (
    "confluent_kafka",
    "redis",
    "opentelemetry",
    "numpy",
    "psycopg",
    "aiohttp",
    "pydantic",
    "psutil",
    "fastavro",
)


def invoke(*arguments):
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


@pytest.mark.parametrize(
    "command",
    [
        [],
        ["run"],
        ["demo"],
        ["inspect"],
        ["stack", "up"],
        ["stack", "down"],
        ["stack", "status"],
        ["dlq", "list"],
        ["dlq", "show"],
        ["dlq", "replay"],
        ["schema", "check"],
        ["schema", "impact"],
        ["schema", "fields"],
        ["schema", "register"],
        ["schema", "diff"],
        ["schema", "list"],
    ],
)
def test_every_command_has_its_help(command):
    result = invoke(*command, "--help")
    assert result.exit_code == 0
    assert "Usage" in result.output


def test_help_imports_nothing_heavy():
    code = (
        "import sys; from doublegate.cli import app\n"
        "try: app(['--help'])\n"
        "except SystemExit: pass\n"
        f"print([name for name in {HEAVY} if name in sys.modules], file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stderr.strip() == "[]"


def test_a_wrong_field_is_one_message_with_file_field_and_what_is_allowed(tmp_path):
    file = tmp_path / "consumer.yaml"
    file.write_text(CONSUMER.read_text().replace("topic: payments", "topik: payments"))
    result = invoke("run", file)
    assert result.exit_code == 2
    assert f"error: {file}: spec.kafka.top" in result.stderr
    assert "Traceback" not in result.output


def test_a_missing_file_is_named():
    result = invoke("dlq", "list", "--consumer", "/nowhere/consumer.yaml")
    assert result.exit_code == 2
    assert "error: /nowhere/consumer.yaml: cannot be read" in result.stderr


def test_a_missing_handler_is_named(tmp_path):
    file = tmp_path / "consumer.yaml"
    file.write_text(CONSUMER.read_text().replace("first_handler:charge", "no_such_module:charge"))
    done = subprocess.run(
        [sys.executable, "-m", "doublegate.cli", "run", str(file)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 2
    assert "error: handler.python: module 'no_such_module' cannot be imported" in done.stderr


@pytest.mark.parametrize(
    ("option", "value", "allowed"),
    [
        ("--reason", "bad-luck", "allowed: failed, poison, schema, conflict, unknown_outcome, parked"),
        ("--failed-after", "yesterday", "allowed: ISO 8601"),
        ("--failed-before", "12:00", "allowed: ISO 8601"),
    ],
)
def test_a_wrong_filter_says_what_is_allowed(option, value, allowed):
    result = CliRunner(env={"COLUMNS": "300"}).invoke(
        app, ["dlq", "list", "-c", str(CONSUMER), option, value]
    )
    assert result.exit_code == 2
    assert allowed in result.stderr


def test_an_absurd_number_of_events_is_one_message(tmp_path):
    result = invoke("demo", "--events", 5, "--home", tmp_path)
    assert result.exit_code == 2
    assert "allowed: 100 to 300000" in result.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_stack_that_is_not_up_says_how_to_start_it(tmp_path):
    result = invoke("stack", "status", "--home", tmp_path / "stack")
    assert result.exit_code == 1
    assert "doublegate stack up" in result.output
    assert "nothing runs" in invoke("stack", "down", "--home", tmp_path / "stack").output


def test_a_defect_shows_its_traceback(monkeypatch):
    def broken(*_, **__):
        raise ZeroDivisionError

    monkeypatch.setattr("doublegate.contract.resource.load_consumer", broken)
    assert isinstance(invoke("run", CONSUMER).exception, ZeroDivisionError)
