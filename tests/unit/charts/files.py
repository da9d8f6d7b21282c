"""The charts' files."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import yaml

__all__ = ["ALERTS", "CHART", "ROOT", "alerts", "dashboard", "rules", "values", "values_schema"]

ROOT = Path(__file__).parents[3]
CHART = ROOT / "charts" / "doublegate-operator"
ALERTS = CHART / "files" / "alerts.yaml"


def alerts() -> dict[str, dict[str, Any]]:
    """The alerts by their names."""
    groups = yaml.safe_load(ALERTS.read_text())["groups"]
    return {rule["alert"]: rule for group in groups for rule in group["rules"]}


def dashboard() -> dict[str, Any]:
    """The dashboard, as Grafana imports it."""
    found: dict[str, Any] = json.loads((CHART / "files" / "dashboard.json").read_text())
    return found


def rules() -> list[dict[str, list[str]]]:
    """What the operator may do where it watches; the template's body is plain YAML."""
    body = re.sub(r"\{\{.*?\}\}", "", (CHART / "templates" / "_rules.tpl").read_text(), flags=re.DOTALL)
    found: list[dict[str, list[str]]] = yaml.safe_load(body)
    return found


def values() -> dict[str, Any]:
    """The default values."""
    found: dict[str, Any] = yaml.safe_load((CHART / "values.yaml").read_text())
    return found


def values_schema() -> dict[str, Any]:
    """What values are allowed."""
    found: dict[str, Any] = json.loads((CHART / "values.schema.json").read_text())
    return found
