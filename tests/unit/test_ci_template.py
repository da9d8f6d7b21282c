"""The template of a user's pipeline: its jobs, their order, few rights, and nothing that moves under it."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from tools import builds
from tools.crds.__main__ import SCHEMAS

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "deploy" / "ci" / "github-actions.yaml").read_text()
TEMPLATE: dict[Any, Any] = yaml.safe_load(TEXT)
JOBS: dict[str, dict[str, Any]] = TEMPLATE["jobs"]
CHECKS, DEEDS = ("schemas", "manifests"), ("preview", "up")

each_job = pytest.mark.parametrize("name", JOBS)


def commands(name: str) -> str:
    return "\n".join(step["run"] for step in JOBS[name]["steps"] if "run" in step)


def test_it_runs_on_pull_requests_and_on_merges() -> None:
    assert TEMPLATE[True] == {"pull_request": None, "push": {"branches": ["main"]}}  # YAML 1.1 reads `on` so
    assert tuple(JOBS) == CHECKS + DEEDS


def test_each_job_does_its_part() -> None:
    assert ".venv/bin/doublegate schema check schemas/" in commands("schemas").splitlines()
    assert "kubeconform" in commands("manifests")
    assert "tools.render --check" in commands("manifests")
    assert "pulumi preview --stack" in commands("preview")
    assert "pulumi up" not in commands("preview")
    assert "pulumi up --stack" in commands("up")


@pytest.mark.parametrize("name", DEEDS)
def test_nothing_is_shown_or_done_before_the_checks(name: str) -> None:
    assert JOBS[name]["needs"] == list(CHECKS)
    assert JOBS[name]["environment"]


def test_a_preview_is_of_a_pull_request_of_this_repository_and_up_of_a_merge() -> None:
    assert "github.event_name == 'pull_request'" in JOBS["preview"]["if"]
    assert "head.repo.full_name == github.repository" in JOBS["preview"]["if"]
    assert JOBS["up"]["if"] == "github.event_name == 'push'"
    assert TEMPLATE["concurrency"]["cancel-in-progress"] is False


@each_job
def test_a_job_may_read_the_repository_and_no_more(name: str) -> None:
    assert TEMPLATE["permissions"] == {}
    assert JOBS[name]["permissions"] == {"contents": "read"}
    assert JOBS[name]["timeout-minutes"] <= 60
    for step in JOBS[name]["steps"]:
        if step.get("uses", "").startswith("actions/checkout@"):
            assert step["with"]["persist-credentials"] is False
        assert "${{" not in step.get("run", ""), "what others wrote would run as a command"
    assert name in DEEDS or "secrets." not in json.dumps(JOBS[name])


def test_actions_are_pinned_by_commit_or_it_is_said_that_they_are_to_be() -> None:
    for action, comment in re.findall(r"uses: (\S+)(.*)", TEXT):
        name, _, version = action.partition("@")
        assert re.fullmatch(r"[0-9a-f]{40}", version) or "pin it" in comment, action
        assert version != "main"
        if "pin it" in comment:
            assert f"git ls-remote https://github.com/{name} refs/tags/{version}" in TEXT


def test_programs_have_the_versions_that_are_tried_here() -> None:
    assert f"kubeconform@{builds.KUBECONFORM.release}" in commands("manifests")
    versions = {
        step["with"]["pulumi-version"]
        for name in DEEDS
        for step in JOBS[name]["steps"]
        if "pulumi/actions" in step.get("uses", "")
    }
    assert versions == {builds.PULUMI.release.removeprefix("v")}
    assert f"{SCHEMAS.relative_to(ROOT)}/" in commands("manifests")
