"""Every value is described, checked, and has a default that its own schema accepts."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import yaml

from tests.unit.charts.files import CHART, ROOT, values, values_schema


def objects(schema: dict[str, Any], path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """The schemas of objects with named fields, by their paths."""
    schema = values_schema()["definitions"]["optional"] if "$ref" in schema else schema
    if "properties" in schema:
        yield path, schema
        for name, field in schema["properties"].items():
            yield from objects(field, f"{path}.{name}")
    if isinstance(schema.get("items"), dict):
        yield from objects(schema["items"], f"{path}[]")


def test_unknown_values_are_refused_everywhere() -> None:
    open_ones = [
        path for path, schema in objects(values_schema()) if schema.get("additionalProperties") is not False
    ]
    assert open_ones == []


def test_every_value_is_described() -> None:
    lacking = [
        f"{path}.{name}"
        for path, schema in objects(values_schema())
        for name, field in schema["properties"].items()
        if not field.get("description")
    ]
    assert lacking == []


def test_every_value_has_a_default() -> None:
    lacking = []
    for path, schema in objects(values_schema()):
        if "[]" in path:
            continue
        default: Any = values()
        for name in filter(None, path.split(".")):
            default = default[name]
        lacking += [f"{path}.{name}" for name in schema["properties"].keys() - default.keys() - {"global"}]
    assert lacking == []


def test_the_page_lists_every_group_of_values() -> None:
    text = (ROOT / "docs" / "operator.md").read_text()
    table = text.split("| value | default |")[1].split("\n\n")[0]
    assert [name for name in values() if f" {name}" not in table] == []


def test_the_chart_and_what_it_installs_have_one_version() -> None:
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())
    assert chart["version"] == chart["appVersion"]
    [crds] = chart["dependencies"]
    assert crds["version"] == chart["version"]
    assert f'version = "{chart["version"]}"' in (ROOT / "operator" / "pyproject.toml").read_text()
