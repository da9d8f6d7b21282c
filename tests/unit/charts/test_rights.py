"""The rights are the ones that the page tells, and no more than a reviewer would grant."""

from __future__ import annotations

import re

from tests.unit.charts.files import ROOT, rules

WRITTEN_FOR_RESOURCES = {"get", "list", "watch", "create", "patch", "delete"}


def granted() -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for rule in rules():
        for resource in rule["resources"]:
            assert resource not in found, f"{resource} is granted twice"
            found[resource] = set(rule["verbs"])
    return found


def test_nothing_is_granted_by_a_wildcard() -> None:
    assert "*" not in str(rules())


def test_secrets_are_read_by_name_alone() -> None:
    assert granted()["secrets"] == {"get"}


def test_the_resources_themselves_are_never_changed() -> None:
    for kind in ("idempotentconsumers", "deadletterreplays"):
        assert granted()[kind] == {"get", "list", "watch"}
        assert granted()[f"{kind}/status"] == {"patch"}


def test_no_verb_beyond_those_of_server_side_apply_and_pruning() -> None:
    assert set().union(*granted().values()) <= WRITTEN_FOR_RESOURCES


def test_the_page_tells_them_exactly() -> None:
    text = (ROOT / "docs" / "operator.md").read_text()
    table = text.split("| resources | verbs | for |")[1].split("\n\n")[0]
    told: dict[str, set[str]] = {}
    for resources, verbs in re.findall(r"^\| ([a-z/, ]+) \| ([a-z, ]+) \|", table, re.MULTILINE):
        told |= {resource: set(verbs.split(", ")) for resource in resources.split(", ")}
    assert told == granted()
