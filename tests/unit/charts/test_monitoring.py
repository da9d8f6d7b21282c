"""Alerts and dashboard ask for figures that exist, and each alert leads to what to do."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from doublegate.contract import metrics, states
from doublegate.contract.deadletter import DeadLetterReason
from doublegate_operator.shell.kinds import CONSUMER, REPLAY
from doublegate_operator.shell.metrics import Metrics as OperatorMetrics
from doublegate_operator.shell.view import View
from tests.unit.charts.files import ROOT, alerts, dashboard

NAMES = {value for name, value in vars(metrics).items() if name.isupper() and isinstance(value, str)}
LABELS = {
    "decision": set(states.Decision),
    "gate": set(states.Gate),
    "cause": {*states.UnknownCause, *states.PauseCause},
    "reason": set(DeadLetterReason),
    "kind": {"predicted", "observed", CONSUMER.kind, REPLAY.kind},
    "ready": {"True", "False", "Unknown"},
}
ADDED = {"namespace", "job", "le"}
"""Labels that Prometheus adds, and that of a histogram."""


def expressions() -> Iterator[tuple[str, str]]:
    for name, rule in alerts().items():
        yield name, rule["expr"]
    for panel in dashboard()["panels"]:
        for target in panel["targets"]:
            yield panel["title"], target["expr"]


def exported() -> set[str]:
    """Names on the pages that a consumer's pod and the operator serve."""
    unfilled = {metrics.DLQ_OPEN, metrics.DLQ_OLDEST_SECONDS}  # the operator reads the topic for them
    page = OperatorMetrics(View(), lambda: 0, lambda: 0).page().decode()
    names = NAMES | set(re.findall(r"^# TYPE (\w+) ", page, re.MULTILINE))
    return {name for name in names if name.startswith("doublegate_")} - unfilled


@pytest.mark.parametrize(("where", "expression"), list(expressions()))
def test_figures_and_labels_exist(where: str, expression: str) -> None:
    asked = re.findall(r"\b(doublegate_[a-z_]+?)(?:_bucket|_sum|_count)?\b(?!_)", expression)
    assert asked
    assert set(asked) <= exported()
    for name, value in re.findall(r'(\w+)="([^"]*)"', expression):
        assert value in LABELS[name], where
    for group in re.findall(r"\bby \(([^)]*)\)", expression):
        assert {label.strip() for label in group.split(",")} <= LABELS.keys() | ADDED, where


@pytest.mark.parametrize("name", sorted(alerts()))
def test_an_alert_says_what_happened_and_where_to_read_on(name: str) -> None:
    rule = alerts()[name]
    assert name.startswith("Doublegate")
    assert rule["labels"]["severity"] in {"warning", "critical"}
    assert {"summary", "description", "runbook"} == rule["annotations"].keys()
    page, _, anchor = rule["annotations"]["runbook"].partition("#")
    headings = re.findall(r"^#+ (.*)$", (ROOT / page).read_text(), re.MULTILINE)
    assert anchor in [heading.lower() for heading in headings]
    for label in re.findall(r"\$labels\.(\w+)", str(rule["annotations"])):
        assert label in rule["expr"], "a label that the expression drops would be empty"


def test_the_page_describes_every_alert_and_no_other() -> None:
    text = (ROOT / "docs" / "operator.md").read_text()
    assert re.findall(r"^### (Doublegate\w+)$", text, re.MULTILINE) == list(alerts())


def test_the_dashboard_is_one_that_grafana_takes() -> None:
    board = dashboard()
    assert board["uid"]
    assert board["schemaVersion"] >= 36
    ids = [panel["id"] for panel in board["panels"]]
    assert len(ids) == len(set(ids))
    variables = {one["name"] for one in board["templating"]["list"]}
    taken: set[tuple[int, int]] = set()
    for panel in board["panels"]:
        assert panel["description"]
        assert panel["datasource"] == {"type": "prometheus", "uid": "${datasource}"}
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= 24
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not cells & taken, f"{panel['title']} lies on another panel"
        taken |= cells
        for target in panel["targets"]:
            used = set(re.findall(r"\$(\w+)", target["expr"])) - {"__rate_interval"}
            assert used <= variables
            assert {"namespace", "job"} <= used
