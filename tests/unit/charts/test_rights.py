"""The rights are the ones that the page tells, and no more than a reviewer would grant."""

from __future__ import annotations

import re

from doublegate_operator.shell.kinds import CONSUMER, EVENT, JOB, OWNED, REPLAY, SECRET
from doublegate_operator.shell.listing import WATCHED
from tests.unit.charts.files import ROOT, rules


def granted() -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for rule in rules():
        for resource in rule["resources"]:
            assert resource not in found, f"{resource} is granted twice"
            found[resource] = set(rule["verbs"])
    return found


def test_nothing_is_granted_by_a_wildcard() -> None:
    assert "*" not in str(rules())


def test_they_are_those_that_the_code_uses() -> None:
    seen = {"list", "watch"}
    needed = {kind.plural: set(seen) for kind in WATCHED}
    for kind in (CONSUMER, REPLAY):  # read, and never changed
        needed[f"{kind.plural}/status"] = {"patch"}
    needed[CONSUMER.plural] |= {"get"}
    for kind in (*OWNED, JOB):
        needed[kind.plural] |= {"get", "create", "patch"}
    for kind in OWNED:
        needed[kind.plural] |= {"delete"}
    needed[SECRET.plural] = {"get"}
    needed[EVENT.plural] = {"create", "patch"}
    assert granted() == needed


def test_groups_are_the_kinds_own() -> None:
    groups = {kind.plural: kind.group for kind in (*WATCHED, SECRET, EVENT)}
    for rule in rules():
        for resource in rule["resources"]:
            assert rule["apiGroups"] == [groups[resource.partition("/")[0]]]


def test_the_page_tells_them_exactly() -> None:
    text = (ROOT / "docs" / "operator.md").read_text()
    table = text.split("| resources | verbs | for |")[1].split("\n\n")[0]
    told: dict[str, set[str]] = {}
    for resources, verbs in re.findall(r"^\| ([a-z/, ]+) \| ([a-z, ]+) \|", table, re.MULTILINE):
        told |= {resource: set(verbs.split(", ")) for resource in resources.split(", ")}
    assert told == granted()
