"""The documents tell the truth about names: fields, metrics, headers, commands, files, links, sizes."""

import ast
import importlib
import re
import shlex
import sys
from enum import StrEnum
from functools import cache
from pathlib import Path
from types import UnionType
from typing import Union, get_args, get_origin

import click
import pytest
import typer
import yaml
from pydantic import BaseModel

from doublegate.cli import app
from doublegate.contract import headers, metrics, refuse_unsupported, sizing, states, support
from doublegate.contract.deadletter import DeadLetterReason
from doublegate.contract.replay_resource import load_replay
from doublegate.contract.resource import ConsumerSpec, load_consumer
from doublegate.contract.scope import scope_tag
from doublegate.gate.ledger_outcomes import ClaimOutcome, CompletionOutcome, FailureOutcome
from doublegate.gate.ledger_server import ACL_COMMANDS
from tests.faults.faults import FAULTS
from tests.faults.points import POINTS

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples"
SOURCE = ROOT / "consumer_image" / "src" / "doublegate"
PAGES = [
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")),
    ROOT / "consumer_image" / "README.md",
    ROOT / "deploy" / "gitops" / "README.md",
    *sorted((ROOT / "docs").rglob("*.md")),
]
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
INLINE = re.compile(r"`([^`\n]+)`")
SECTIONS = {field.alias: field for field in ConsumerSpec.model_fields.values()}
HEADERS = {value for name, value in vars(headers).items() if name.isupper() and isinstance(value, str)}
METRICS = {value for name, value in vars(metrics).items() if name.isupper() and isinstance(value, str)}
LABELS = {
    "decision": list(states.Decision),
    "gate": list(states.Gate),
    "cause": [*states.UnknownCause, *states.PauseCause],
    "reason": list(DeadLetterReason),
    "kind": ["predicted", "observed"],
}

each_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))


def prose(page):
    return FENCE.sub("", page.read_text())


def inline(page):
    return INLINE.findall(prose(page))


@cache
def source():
    return "\n".join(
        path.read_text() for path in SOURCE.rglob("*") if path.suffix in {".py", ".toml", ".lua"}
    )


def anchor(heading):
    """As GitHub makes them."""
    text = re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", heading).replace("`", "").strip().lower()
    return re.sub(r"[^\w\- ]", "", text).replace(" ", "-")


@each_page
def test_relative_links_resolve(page):
    for target in re.findall(r"\]\(([^)\s]+)\)", prose(page)):
        if "://" in target:
            continue
        path, _, fragment = target.partition("#")
        found = (page.parent / path).resolve() if path else page
        assert found.exists(), target
        assert found.is_relative_to(ROOT), target
        if fragment:
            headings = re.findall(r"^#+ (.*)$", FENCE.sub("", found.read_text()), re.MULTILINE)
            assert fragment in map(anchor, headings), target


@each_page
def test_pages_stand_alone(page):
    text = page.read_text()
    for foreign in ("DESIGN.md", "/work/", "/tmp/", "/root/", "../shared"):  # noqa: S108 - looked for, not used
        assert foreign not in text


@each_page
def test_tables_have_equal_columns(page):
    width = None
    for line in prose(page).splitlines():
        cells = len(re.findall(r"(?<!\\)\|", line)) if line.startswith("|") else None
        assert None in (cells, width) or cells == width, line
        width = cells


def code_blocks(language):
    return [
        pytest.param(page, code, id=f"{page.relative_to(ROOT)}-{number}")
        for page in PAGES
        for number, (name, code) in enumerate(FENCE.findall(page.read_text()))
        if name == language
    ]


@pytest.mark.parametrize("name", ["first_handler.py", "first_consumer.yaml"])
def test_the_readme_shows_the_examples(name):
    text = (ROOT / "README.md").read_text()
    [shown] = re.findall(
        rf"^<!-- file: examples/{name} -->\n```\w+\n(.*?)^```$", text, re.DOTALL | re.MULTILINE
    )
    lines = (EXAMPLES / name).read_text().splitlines(keepends=True)
    while lines[0].startswith("#"):  # what it says of itself is for those who open it
        del lines[0]
    assert shown == "".join(lines)


@pytest.mark.parametrize(("page", "code"), code_blocks("python"))
def test_python_blocks_compile_and_import_what_is_there(page, code):
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("doublegate"):
            module = importlib.import_module(node.module)
            for name in node.names:
                assert hasattr(module, name.name), f"{node.module}.{name.name}"


def models(annotation):
    """The models and enumerations that a field may hold."""
    if get_origin(annotation) in (Union, UnionType, list):
        return [kind for part in get_args(annotation) for kind in models(part)]
    return [annotation]


def field_of(path):
    """The field at a dotted path below `spec`, and what it holds."""
    kinds = [ConsumerSpec]
    for name in path.split("."):
        fields = {
            field.alias: field
            for kind in kinds
            if isinstance(kind, type) and issubclass(kind, BaseModel)
            for field in kind.model_fields.values()
        }
        if name not in fields:
            return None
        kinds = models(fields[name].annotation)
    return kinds


@each_page
def test_fields_exist(page):
    for text in inline(page):
        match = re.fullmatch(r"(?:spec\.)?([a-z][A-Za-z]*(?:\.[a-z][A-Za-z]*)+)(?:: (\w+))?", text)
        if match is None or match[1].partition(".")[0] not in SECTIONS or match[1].endswith((".py", ".yaml")):
            continue
        kinds = field_of(match[1])
        assert kinds is not None, text
        for kind in kinds:
            if match[2] and isinstance(kind, type) and issubclass(kind, StrEnum):
                assert match[2] in list(kind), text


@each_page
def test_metrics_and_labels_exist(page):
    for name, labels in re.findall(r"\b(doublegate_[a-z_]+)(\{[^}]*\})?", page.read_text()):
        if f"TABLE IF NOT EXISTS {name}" in source():
            continue
        assert name in METRICS, name
        for label in filter(None, labels.strip("{}").split(",")):
            key, _, value = label.partition("=")
            assert key in LABELS, label
            assert not value or value.strip('"') in LABELS[key], label


@each_page
def test_headers_exist(page):
    for name in re.findall(r"\bdg-[a-z-]*[a-z](?!\*)\b(?!-\*)", page.read_text()):
        assert name in HEADERS, name


@each_page
def test_variables_and_make_targets_exist(page):
    text = page.read_text()
    for name in re.findall(r"\bDOUBLEGATE_[A-Z]+\b", text):
        assert name in source(), name
    makefile = (ROOT / "Makefile").read_text()
    for target in re.findall(r"(?:`|\$ )make ([a-z-]+)", text):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target


def command_lines():
    for page in PAGES:
        text = page.read_text()
        told = [line.removeprefix("$ ") for line in re.findall(r"^\$ .*$", text, re.MULTILINE)]
        for line in [*(line.removeprefix(".venv/bin/") for line in told), *inline(page)]:
            if line.startswith("doublegate "):
                yield pytest.param(line, id=f"{page.relative_to(ROOT)}: {line}")


@pytest.mark.parametrize("line", list(command_lines()))
def test_commands_and_options_exist(line):
    command = typer.main.get_command(app)
    words = shlex.split(line.partition("  #")[0])[1:]
    while words and isinstance(command, click.Group | typer.core.TyperGroup):
        name = words.pop(0)
        assert name in command.commands, line
        command = command.commands[name]
    known = {name for one in command.params for name in (*one.opts, *one.secondary_opts)}
    for word in words:
        assert not word.startswith("-") or word in known, f"{word} of {line}"


@each_page
def test_options_alone_exist(page):
    known = source()
    for option in inline(page):
        if re.fullmatch(r"--[a-z-]+", option):
            plain = option.removeprefix("--").replace("-", "_")
            assert option in known or re.search(rf"\b{plain}:", known), option


@each_page
def test_named_files_exist(page):
    for text in inline(page):
        if re.fullmatch(
            r"(?:tests|tools|docs|deploy|examples|consumer_image)(?:/[\w.-]+)+|\.importlinter|uv\.lock", text
        ):
            assert (ROOT / text).exists(), text
        elif re.fullmatch(r"[\w/]+\.(?:py|toml|lua)", text) and "/" in text:
            assert any((base / text).exists() for base in (SOURCE, SOURCE.parent, ROOT)), text


def test_the_protocol_has_every_outcome_and_cause():
    text = (ROOT / "docs" / "protocol.md").read_text()
    words = [outcome.name for kind in (ClaimOutcome, CompletionOutcome, FailureOutcome) for outcome in kind]
    words += [*states.UnknownCause, *DeadLetterReason]
    assert [word for word in words if f"`{word}`" not in text] == []
    names = [name for name in HEADERS if name.startswith("dg-")]
    assert [name for name in names if f"`{name}`" not in text] == []


def test_operations_has_every_metric_label_and_secret():
    text = (ROOT / "docs" / "operations.md").read_text()
    ours = [name for name in METRICS if name.startswith(("doublegate_", "messaging."))]
    assert [name for name in ours if name not in text] == []
    values = [*states.Gate, *states.Decision, *states.UnknownCause, *states.PauseCause]
    assert [value for value in values if f"`{value}`" not in text] == []


def test_operations_words_its_problems_as_the_probes_do():
    text = (ROOT / "docs" / "operations.md").read_text()
    status = (SOURCE / "runtime" / "status.py").read_text()
    table = text.split("| problem | meaning |")[1].split("\n\n")[0]
    problems = re.findall(r"^\| `([^`]+)`", table, re.MULTILINE)
    assert len(problems) >= 5
    assert [problem for problem in problems if problem not in status] == []


def test_operations_computes_what_it_says():
    text = (ROOT / "docs" / "operations.md").read_text()
    rows = re.findall(r"\| `([a-z_]+\(.*?\)\.\w+)` \| ([\d.]+) MiB \|", text)
    assert len(rows) == 3
    for expression, told in rows:
        found = eval(expression, {"__builtins__": {}}, vars(sizing))  # noqa: S307 - our own page
        assert told == f"{found / 2**20:.1f}", expression
    assert f"up to {sizing.LEDGER_BYTES_PER_ID} bytes" in text


def test_operations_access_rule_is_what_the_ledger_needs():
    text = (ROOT / "docs" / "operations.md").read_text()
    [rule] = re.findall(r"^ACL SETUSER .*?(?=^```)", text, re.DOTALL | re.MULTILINE)
    assert {word[1:] for word in rule.split() if word.startswith("+")} == set(ACL_COMMANDS)
    assert f"~{scope_tag('payments')}*" in rule.split()


def test_critiques_names_what_is_refused():
    text = (ROOT / "docs" / "critiques.md").read_text()
    refused = re.findall(r'Unsupported\("spec\.([\w.]+)', Path(support.__file__).read_text())
    table = text.split("## What this version refuses")[1].split("\n## ")[0]
    rows = re.findall(r"^\| `([\w.]+)", table, re.MULTILINE)
    assert sorted(rows) == sorted(refused)


@pytest.mark.parametrize("name", sorted(str(path.relative_to(EXAMPLES)) for path in EXAMPLES.rglob("*.yaml")))
def test_examples_are_resources_that_this_version_carries_out(name):
    kind = yaml.safe_load((EXAMPLES / name).read_text())["kind"]
    if kind == "DeadLetterReplay":
        load_replay(EXAMPLES / name)
    else:
        refuse_unsupported(load_consumer(EXAMPLES / name).spec)


@pytest.mark.parametrize("name", sorted(str(path.relative_to(EXAMPLES)) for path in EXAMPLES.rglob("*.py")))
def test_examples_import(name, monkeypatch):
    path = EXAMPLES / name
    monkeypatch.syspath_prepend(str(path.parent))
    monkeypatch.delitem(sys.modules, path.stem, raising=False)
    assert Path(importlib.import_module(path.stem).__file__ or "").samefile(path)


def test_license_and_readmes():
    text = (ROOT / "LICENSE").read_text()
    assert "Apache License" in text
    assert "END OF TERMS AND CONDITIONS" in text
    assert "Copyright 2026 The Doublegate authors" in text


def test_the_guarantees_name_faults_and_tests_that_are_there():
    text = (ROOT / "docs" / "guarantees.md").read_text()
    tables = "\n".join(line for line in text.splitlines() if line.startswith("|"))
    named = {name for name in INLINE.findall(tables) if re.fullmatch(r"[a-z0-9]+(_[a-z0-9]+)+", name)}
    tests = "\n".join(path.read_text() for path in (ROOT / "tests").rglob("*.py"))
    known = {*FAULTS, *POINTS, *DeadLetterReason}
    unknown = {name for name in named - known if f"def {name}(" not in tests}
    assert unknown == set()
    assert set(FAULTS) | set(POINTS) <= set(INLINE.findall(tables))
