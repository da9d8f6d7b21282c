"""The example runs, and the documents show what it prints."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from doublegate.cli import app

ROOT = Path(__file__).parents[3]
EXAMPLE = ROOT / "examples" / "schemas"


@pytest.fixture(scope="module")
def printed() -> str:
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path, "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}
    environment.pop("GITHUB_ACTIONS", None)
    return subprocess.run(
        ["sh", str(EXAMPLE / "try_it.sh")], check=True, capture_output=True, text=True, env=environment
    ).stdout


@pytest.mark.parametrize("page", ["README.md", "docs/schemas.md"])
def test_the_documents_show_what_it_prints(printed: str, page: str) -> None:
    text = (ROOT / page).read_text()
    shown = text.split("<!-- schemas: begin -->\n```text\n")[1].split("```\n<!-- schemas: end -->")[0]
    assert shown == printed


def test_the_declaration_is_that_of_the_handler() -> None:
    options = ["--subject", "payments-value", "--consumer", "billing", "--app-dir", str(EXAMPLE)]
    told = CliRunner().invoke(app, ["schema", "fields", "billing:charge", *options]).output
    assert told == (EXAMPLE / "consumers" / "billing.fields.json").read_text()
    assert f"```json\n{told}```" in (ROOT / "docs" / "schemas.md").read_text()
