"""What the charts keep as files: definitions, rights, alerts, dashboard; so the program can't differ."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

__all__ = ["alerts", "dashboard", "definitions", "operator_rules", "operator_version"]

_CHARTS = Path(__file__).parents[1] / "charts"
_OPERATOR = _CHARTS / "doublegate-operator"


def definitions() -> list[dict[str, Any]]:
    """The CustomResourceDefinitions."""
    return [yaml.safe_load(path.read_text()) for path in sorted(_CHARTS.glob("doublegate-crds/files/*.yaml"))]


def operator_rules() -> list[dict[str, Any]]:
    """What the operator may do; the template is YAML but for the lines that name it."""
    lines = (_OPERATOR / "templates" / "_rules.tpl").read_text().splitlines()
    rules = yaml.safe_load("\n".join(line for line in lines if not line.startswith("{{")))
    return list(rules)


def operator_version() -> str:
    """The version that the chart installs."""
    return str(yaml.safe_load((_OPERATOR / "Chart.yaml").read_text())["appVersion"])


def alerts() -> dict[str, Any]:
    """The spec of a PrometheusRule."""
    return dict(yaml.safe_load((_OPERATOR / "files" / "alerts.yaml").read_text()))


def dashboard() -> str:
    """Grafana's, as JSON."""
    return (_OPERATOR / "files" / "dashboard.json").read_text()
